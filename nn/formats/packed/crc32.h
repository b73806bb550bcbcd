/* CRC-32, the checksum of zip archives and of PNG's chunks (ISO 3309; polynomial 0xEDB88320, the
 * lowest bit first). */
#ifndef DI4C_NN_FORMATS_PACKED_CRC32_H
#define DI4C_NN_FORMATS_PACKED_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Of `count` bytes; of none it is 0. */
uint32_t crc32_of(const void *bytes, size_t count);

#endif
