/* Zip archives as reader and writer have to know them (PKWARE's APPNOTE.TXT, section 4.3).
 *
 * From the end backwards: end record; before it, if the archive is zip64, a locator and a wider end
 * record; before that the directory, one record an entry; at the start the entries, each behind a
 * header of its own, and perhaps followed by a descriptor that repeats CRC and sizes. */
#ifndef DI4C_NN_FORMATS_TORCH_ZIP_FORMAT_H
#define DI4C_NN_FORMATS_TORCH_ZIP_FORMAT_H

/* Bytes of each, without names, extra fields and comments. */
enum {
    ZIP_END_SIZE = 22,
    ZIP_LOCATOR_SIZE = 20,
    ZIP_END64_SIZE = 56,
    ZIP_RECORD_SIZE = 46,
    ZIP_HEADER_SIZE = 30
};

/* What each starts with, as a number of 4 bytes. */
#define ZIP_SIGN_HEADER     0x04034b50u
#define ZIP_SIGN_RECORD     0x02014b50u
#define ZIP_SIGN_END        0x06054b50u
#define ZIP_SIGN_END64      0x06064b50u
#define ZIP_SIGN_LOCATOR    0x07064b50u
#define ZIP_SIGN_DESCRIPTOR 0x08074b50u

/* In place of a value of 2 or 4 bytes: "see the zip64 record". */
#define ZIP_NONE16 0xFFFFu
#define ZIP_NONE32 0xFFFFFFFFu

/* The extra field that holds values of 8 bytes. */
enum { ZIP_EXTRA_ZIP64 = 1 };

/* Names of entries have 1 to so many bytes, here: a path and a storage's key, and short enough to
 * be in a sentence. */
enum { ZIP_NAME_LIMIT = 400 };

#endif
