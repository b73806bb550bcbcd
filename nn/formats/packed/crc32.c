/* Four bytes a step, since checkpoints have hundreds of MiB: a table says what a byte does to the
 * sum when it is the last one, and three more what it does with 1 to 3 bytes behind it. */
#include "nn/formats/packed/crc32.h"

#include "nn/formats/byte_order.h"

/* What a byte does to the sum, alone (0) and with 1 to 3 zero bytes behind it. */
static void fill_crc_table(uint32_t table[4][256])
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
        table[0][i] = crc;
    }
    for (size_t k = 1; k < 4; k++)
        for (size_t i = 0; i < 256; i++)
            table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 255];
}

uint32_t crc32_of(const void *bytes, size_t count)
{
    uint32_t table[4][256], crc = 0xFFFFFFFF;
    const unsigned char *p = bytes;
    size_t i = 0;
    fill_crc_table(table);
    for (; i + 4 <= count; i += 4) {
        crc ^= (uint32_t)little_endian(p + i, 4);
        crc = table[3][crc & 255] ^ table[2][crc >> 8 & 255] ^ table[1][crc >> 16 & 255] ^
              table[0][crc >> 24];
    }
    for (; i < count; i++)
        crc = crc >> 8 ^ table[0][(crc ^ p[i]) & 255];
    return ~crc;
}
