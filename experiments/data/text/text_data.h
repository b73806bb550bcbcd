/* A text as a list of states, and what they stand for. */
#ifndef DI4C_EXPERIMENTS_DATA_TEXT_TEXT_DATA_H
#define DI4C_EXPERIMENTS_DATA_TEXT_TEXT_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "experiments/data/text/vocabulary.h"

typedef struct TextData {
    uint16_t *symbols; /* (count), below the vocabulary's size */
    size_t count;
    Vocabulary *vocabulary;
    bool in_rows; /* the sequences stand on their own: none begins inside of another */
} TextData;

/* `count` symbols 0, a text of no rows; the vocabulary becomes the text's. */
TextData *text_data_create(size_t count, Vocabulary *vocabulary);
void text_data_free(TextData *t); /* NULL is allowed */

#endif
