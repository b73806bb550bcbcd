/* By madvise, which is Linux's own. */
#if !defined(DI4C_PLAIN_C) && defined(__linux__)
#define _DEFAULT_SOURCE 1
#include <sys/mman.h>
#endif

#include "tensor/base/huge_pages.h"

#include <stdint.h>

#ifdef MADV_HUGEPAGE

void huge_pages_ask(void *block, size_t bytes)
{
    const size_t skip = (size_t)(-(uintptr_t)block % HUGE_PAGE);

    if (bytes < skip + HUGE_PAGE)
        return;
    madvise((unsigned char *)block + skip, (bytes - skip) / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
}

#else

void huge_pages_ask(void *block, size_t bytes)
{
    (void)block, (void)bytes;
}

#endif
