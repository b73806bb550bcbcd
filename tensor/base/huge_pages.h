/* Large blocks in large pages.
 *
 * The first touch of each page of memory is a fault, which costs more than to fill a page of 4 KiB.
 * Linux backs a block by pages of 2 MiB where it is asked to, or always or never, as its machine is
 * set (/sys/kernel/mm/transparent_hugepage/enabled). */
#ifndef DI4C_TENSOR_BASE_HUGE_PAGES_H
#define DI4C_TENSOR_BASE_HUGE_PAGES_H

#include <stddef.h>

enum { HUGE_PAGE = 1 << 21 };

/* Asks for large pages in the part of the block that whole ones can cover; nothing else changes,
 * and nothing does on a system that has none.  errno may. */
void huge_pages_ask(void *block, size_t bytes);

#endif
