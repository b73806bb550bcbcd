/* The order in which training sees the pictures: one seeded permutation per epoch. */
#ifndef DI4C_EXPERIMENTS_DATA_ORDER_H
#define DI4C_EXPERIMENTS_DATA_ORDER_H

#include <stddef.h>
#include <stdint.h>

typedef struct DatasetOrder DatasetOrder; /* the permutation of the epoch used last */

DatasetOrder *dataset_order_create(void);
void dataset_order_destroy(DatasetOrder *o); /* NULL is allowed */
/* Number, below count, of the picture at `position` (from 0) of the endless sequence of epochs;
 * count > 0.  A function of seed, count and position alone: o only saves the work of permuting
 * again. */
size_t dataset_order_at(DatasetOrder *o, size_t count, uint64_t seed, uint64_t position);

#endif
