/* PNG files, and inflate on its own. */
#include <string.h>

#include "nn/formats/byte_order.h"
#include "nn/formats/packed/crc32.h"
#include "nn/formats/packed/inflate.h"
#include "nn/formats/packed/png.h"
#include "nn/formats/packed/png_read.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tests/fuzz/fuzz.h"

/* Gives every chunk the checksum that belongs to it: made-up ones would all be refused for that. */
static void mend_checksums(unsigned char *bytes, size_t count)
{
    for (size_t at = 8; at + 12 <= count;) {
        const size_t length = (size_t)big_endian(bytes + at, 4);
        if (length > count - at - 12)
            return;
        big_endian_put(bytes + at + 8 + length, 4, crc32_of(bytes + at + 4, 4 + length));
        at += 12 + length;
    }
}

/* A picture that could be read is the same when it is written and read again. */
static void decode(const unsigned char *bytes, size_t count)
{
    Error err = {""};
    Picture p, again;
    Buffer file = {0};

    if (!png_decode(bytes, count, "a picture", &p, &err)) {
        fuzz_refused(&err);
        return;
    }
    png_encode(&file, &p, NULL, 0);
    TENSOR_CHECK(png_decode((unsigned char *)file.bytes, file.length, "again", &again, &err), "%s",
                 err.text);
    TENSOR_CHECK(again.height == p.height && again.width == p.width &&
                     again.channels == p.channels &&
                     memcmp(again.pixels, p.pixels, p.height * p.width * p.channels) == 0,
                 "another picture");
    picture_free(&again);
    buffer_free(&file);
    picture_free(&p);
}

void fuzz_png(const uint8_t *bytes, size_t count)
{
    unsigned char *mended = mem_alloc(count, 1);

    memcpy(mended, bytes, count);
    mend_checksums(mended, count);
    decode(bytes, count);
    decode(mended, count);
    mem_free(mended);
}

/* The first two bytes: how many there are to be. */
void fuzz_inflate(const uint8_t *bytes, size_t count)
{
    if (count < 2)
        return;
    const size_t room = bytes[0] + 256u * bytes[1];
    unsigned char *out = mem_alloc(room, 1);
    size_t used = 0;
    const char *wrong = inflate_exact(bytes + 2, count - 2, &used, out, room);

    TENSOR_CHECK(wrong != NULL || used <= count - 2, "%zu of %zu bytes", used, count - 2);
    TENSOR_CHECK(wrong == NULL || wrong[0] != '\0', "a refusal without a word");
    mem_free(out);
}
