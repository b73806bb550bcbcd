/* Files that are of no use to anybody if the program ends before they are finished: the temporary
 * ones of outputs, and locks.  An exit, also one for want of memory, removes those that are left; a
 * signal that ends the program does not.  For one thread at a time. */
#ifndef DI4C_TENSOR_SYSTEM_UNFINISHED_H
#define DI4C_TENSOR_SYSTEM_UNFINISHED_H

/* Removes the file of that name at exit, unless it is done by then.  The text must live as long.
 * (Beyond 32 at a time, they are left.) */
void unfinished_add(const char *name);
/* The same pointer; one that was not added is passed over. */
void unfinished_done(const char *name);

#endif
