/* The opcodes of pickle's protocols 2 to 5; what is written are those of protocol 2. */
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
    PROTO = 0x80, NEWOBJ, TUPLE1 = 0x85, TUPLE2, TUPLE3, NEWTRUE, NEWFALSE, LONG1, LONG4,
    POP_MARK = '1', BINBYTES = 'B', SHORT_BINBYTES = 'C',                       /* protocol 3 */
    SHORT_BINUNICODE = 0x8c, BINUNICODE8, BINBYTES8, EMPTY_SET, ADDITEMS, FROZENSET, NEWOBJ_EX,
    STACK_GLOBAL, MEMOIZE, FRAME,                                               /* protocol 4 */
    BYTEARRAY8                                                                  /* protocol 5 */
};
/* clang-format on */

#endif
