/* What a configuration holds, and the program's own settings, one row each; those of processes and
 * networks stand with their classes. */
#ifndef DI4C_EXPERIMENTS_MODEL_CONFIG_KEYS_H
#define DI4C_EXPERIMENTS_MODEL_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "experiments/data/rate_matrix.h"
#include "tensor/base/setting.h"

enum { CONFIG_TEXT = 64, CONFIG_OWN = 48 };

typedef struct Config {
    /* data */
    int transform; /* CONFIG_TRANSFORM_* */
    double threshold;
    int64_t length; /* of a text: symbols of a sequence */
    int64_t height, width, channels, states;
    /* forward process */
    int process; /* place in the list of processes */
    double alpha_eps;
    int beta; /* ScheduleKind */
    double beta_scale, beta_ratio;
    const RateMatrix *rates; /* process=matrix: R, not owned and no key; else NULL */
    /* head and network */
    int head, net;   /* places in the lists of heads and of networks */
    int state_input; /* CONFIG_STATE_* */
    bool fix;
    double time_scale, dropout;
    /* training */
    int64_t steps, batch, seed, chunk;
    double lr, clip, weight_decay, ema_decay;
    int64_t warmup;
    int lr_decay; /* LrDecay */
    bool flip;
    int sampler; /* place in the list of samplers of grid times */
    /* teacher */
    int loss, time_weight; /* TeacherLoss, TimeWeight */
    double t_min, nll_weight, eps;
    bool two_passes, stratified_times;
    /* student */
    int64_t lambda_dims, lambda_steps, lambdas, distill_lambdas;
    double lambda_gain;
    int data_weight; /* DataWeight */
    bool control_variates, stratified_lambda;
    double delta_min, delta_max, tm_width, share_at_one;
    int objective;                              /* CONFIG_OBJECTIVE_* */
    int lambda_scope, lambda_law, lambda_input; /* 0 for LAMBDA_STEP; LambdaLaw; CONFIG_LAMBDA_* */
    double kl_weight, kl_warmup, consistency_weight, distill_weight;
    int64_t most_steps, prior_components, prior_fits;
    int prior_covariance; /* PriorCovariance */
    int targets;          /* CONFIG_TARGETS_* : where the pictures x_0 come from */
    int64_t target_count, target_steps;
    int start_from; /* CONFIG_START_* : which of the teacher's weights the student starts from */
    double own[CONFIG_OWN]; /* settings of processes and networks, as config.c lays them out */
} Config;

enum { CONFIG_TRANSFORM_NONE, CONFIG_TRANSFORM_BINARY };
enum { CONFIG_STATE_BY_HEAD, CONFIG_STATE_NUMBERS };
enum { CONFIG_OBJECTIVE_PUBLISHED, CONFIG_OBJECTIVE_VARIATIONAL };
enum { CONFIG_LAMBDA_SINUSOIDS, CONFIG_LAMBDA_NUMBERS };
enum { CONFIG_TARGETS_DATA, CONFIG_TARGETS_TEACHER, CONFIG_TARGETS_MIXED };
enum { CONFIG_START_AVERAGED, CONFIG_START_RAW };

/* A choice among the members of a list, whose names are the choices; the settings of processes and
 * networks follow it. */
typedef enum ConfigList {
    LIST_NONE,
    LIST_PROCESSES,
    LIST_HEADS,
    LIST_NETWORKS,
    LIST_OBJECTIVES,
    LIST_SCHEDULES,
    LIST_SAMPLERS, /* those of grid times */
    LISTS
} ConfigList;

typedef struct ConfigKey {
    Setting setting; /* choices NULL where there is a list */
    size_t offset;   /* in Config: a field of its type (a whole number: int64_t; a choice: int), or,
                        if own, its first number in own */
    ConfigList lists;
    bool own; /* of a class */
} ConfigKey;

/* In the order of help and files: data, process, head and network, which teacher and student share;
 * then training. */
extern const ConfigKey config_own_keys[];
extern const size_t config_own_key_count;

#endif
