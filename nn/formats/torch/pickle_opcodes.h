/* The opcodes of pickle's protocol 2 that reader and writer share. */
#ifndef DI4C_NN_FORMATS_TORCH_PICKLE_OPCODES_H
#define DI4C_NN_FORMATS_TORCH_PICKLE_OPCODES_H

/* Opcodes by their names in Python's pickletools. */
/* clang-format off */
enum {
    MARK = '(', STOP = '.', NONE = 'N', POP = '0', BININT = 'J', BININT1 = 'K', BININT2 = 'M',
    BINFLOAT = 'G', BINUNICODE = 'X', BINSTRING = 'T', SHORT_BINSTRING = 'U', EMPTY_LIST = ']',
    APPEND = 'a', APPENDS = 'e', LIST = 'l', EMPTY_TUPLE = ')', TUPLE = 't', EMPTY_DICT = '}',
    SETITEM = 's', SETITEMS = 'u', DICT = 'd', GLOBAL = 'c', REDUCE = 'R', BUILD = 'b',
    BINPUT = 'q', LONG_BINPUT = 'r', BINGET = 'h', LONG_BINGET = 'j', BINPERSID = 'Q',
    PROTO = 0x80, TUPLE1 = 0x85, TUPLE2, TUPLE3, NEWTRUE, NEWFALSE, LONG1
};
/* clang-format on */

#endif
