/* What can be chosen of a transformer and its encoder. */
#ifndef DI4C_NN_TRANSFORMER_TRANSFORMER_CONFIG_H
#define DI4C_NN_TRANSFORMER_TRANSFORMER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "nn/encoder.h"
#include "tensor/base/error.h"

/* How a student is given lambda. */
typedef enum TransformerLambda {
    TRANSFORMER_LAMBDA_TOKEN,        /* one more token in front of the sequence */
    TRANSFORMER_LAMBDA_CONDITIONING, /* as time: shifts, scales and gates of every block */
    TRANSFORMER_LAMBDA_PLACES        /* numbers of it at each place, added to its token */
} TransformerLambda;

typedef struct TransformerConfig {
    size_t dims, states, out_states;
    size_t width;           /* of a token's vector */
    size_t blocks;          /* attention and MLP, each */
    size_t heads;           /* of attention; width is a multiple of 2 heads */
    size_t condition_width; /* of the vectors that time and lambda condition by */
    size_t embed;           /* width of the sinusoids */
    bool time_conditioning; /* else t is not read: masks say as much */
    bool learned_positions; /* a learned vector for each place, beside the rotary positions */
    double time_scale;
    double dropout;
    size_t lambda_dims; /* 0: teacher; at places: of each */
    TransformerLambda lambda_entry;
    bool lambda_is_number;                /* lambda itself instead of its sinusoids */
    double lambda_mean, lambda_deviation; /* the network sees (lambda - mean)/deviation */
    double lambda_gain;                   /* factor on the initial weights that read lambda */
    EncoderFamily encoder_family;
    EncoderInput encoder; /* ENCODER_NONE, or what its encoder sees */
} TransformerConfig;

/* The published size for text: 12 blocks of 768, 12 heads, 1024 tokens. */
TransformerConfig nn_transformer_defaults(void);
/* L, the numbers of a sample's lambda: at places, those of all D. */
size_t nn_transformer_lambdas(const TransformerConfig *config);
/* False and a sentence if a value is impossible. */
bool nn_transformer_possible(const TransformerConfig *config, Error *err);

#endif
