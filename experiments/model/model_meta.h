/* What a model file's metadata says of its model: role, configuration, data, hashes, step; read and
 * written here only. */
#ifndef DI4C_EXPERIMENTS_MODEL_MODEL_META_H
#define DI4C_EXPERIMENTS_MODEL_MODEL_META_H

#include <stdbool.h>

#include "experiments/model/model.h"
#include "nn/formats/safetensors.h"

/* Fills role, configuration, rates, vocabulary, data, hashes and step from the metadata of an open
 * file into m, which comes zeroed; on failure, too, m->rates and m->vocabulary may be set
 * (rate_matrix_free, vocabulary_free).  Keys that decide what the weights mean must be there; one
 * of training may be missing (older than the key) and has its default. */
bool model_read_meta(const SafetensorsFile *f, Model *m, Error *err);
/* The same as texts, for a writer of files, which adds format and step: role, data, version,
 * hashes, rates and vocabulary where m has them, and all keys of the configuration.  They point
 * into m and into `texts`. */
typedef struct ModelMeta {
    MetaEntry *entries;
    size_t count;
    char *texts, *rates, *alphabet;
} ModelMeta;
ModelMeta model_meta_of(const Model *m);
void model_meta_free(ModelMeta *meta);

#endif
