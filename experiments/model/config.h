/* Configuration: one table of typed keys serves presets, --set, --help and the metadata of files.
 *
 * A Config is plain data.  The settings of a process or a network stand with its class and come
 * into the table by themselves; any other one is a field in config_keys.h and a row in
 * config_keys.c.
 */
#ifndef DI4C_EXPERIMENTS_MODEL_CONFIG_H
#define DI4C_EXPERIMENTS_MODEL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "diffusion/head/head.h"
#include "diffusion/process/process.h"
#include "experiments/data/rate_matrix.h"
#include "experiments/model/config_keys.h"
#include "experiments/model/objective.h"
#include "nn/network_class.h"
#include "tensor/base/error.h"

void config_defaults(Config *c); /* the paper's CIFAR-10 teacher and student */

/* Sets one key from text; a sentence names the key, the value and what is expected. `where` is how
 * the sentence calls the source ("--set", a file's name). */
bool config_set(Config *c, const char *key, const char *value, const char *where, Error *err);
/* The numbers of a setting (checked: the key is known): one, or a list's slots
 * (tensor/base/setting.h). config_put checks no range. */
void config_put(Config *c, const char *key, double value);
double config_number(const Config *c, const char *key);
void config_numbers(const Config *c, const char *key, double *slots);

/* What process, head and net name. */
const ProcessClass *config_process(const Config *c);
const HeadClass *config_head(const Config *c);
const struct SamplerClass *config_sampler(const Config *c);
const NetworkClass *config_network(const Config *c);

typedef enum ConfigRole { ROLE_TEACHER, ROLE_STUDENT } ConfigRole;
/* Where paper and published code differ, the defaults are the code's; this sets the keys to what
 * the paper says: no eps in denominators (a teacher's continuous-time loss keeps 1e-30, since it
 * divides by it); a student's distillation term at t_min itself, and the teacher's averaged weights
 * as its start.  distill/README.md lists the differences. */
void config_as_paper(Config *c, ConfigRole role);
/* What a model of this role is trained for under these settings. */
const Objective *config_objective(const Config *c, ConfigRole role);
/* Checks between keys (sizes that must fit each other); of the keys that only a teacher's or only a
 * student's training reads, just those of this role. */
bool config_check(const Config *c, ConfigRole role, Error *err);

/* Keys in the table's order: name, present value as text, and back again. */
size_t config_count(void);
const char *config_key(size_t i);
void config_value(const Config *c, size_t i, char out[CONFIG_TEXT]);
/* Index of the first key in which two configurations differ, or config_count(). */
size_t config_difference(const Config *a, const Config *b);
/* The keys of data and process, then those of head and network. */
bool config_is_structure(size_t i);
/* Those of them that a model file of this configuration must have: not those of other processes and
 * networks than its own, nor those that came after the first version, whose defaults are what older
 * files mean. */
bool config_is_needed(const Config *c, size_t i);
/* Takes from `from` the keys that a student shares with its teacher: data, process, head, and of
 * the network those that are not its students' own. */
void config_copy_structure(Config *c, const Config *from);
/* A sentence naming the key and the teacher's file if one of those keys differs. */
bool config_same_structure(const Config *c, const Config *teacher, const char *path, Error *err);
/* The same for the keys of data and process only: what models must share to sample together. */
bool config_same_process(const Config *c, const Config *teacher, const char *path, Error *err);
/* Table of all keys with type, default, range and help. */
void config_help(FILE *out);

#endif
