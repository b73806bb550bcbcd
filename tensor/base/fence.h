/* Fences round blocks that are cut out of a larger one, and round those of mem_alloc, whose header
 * lies behind one.  In builds with the address sanitizer a read or write of fenced bytes ends the
 * program with a report, as one beside a block of malloc does; with -DDI4C_VALGRIND valgrind
 * reports it.  In all others these functions do nothing. */
#ifndef DI4C_TENSOR_BASE_FENCE_H
#define DI4C_TENSOR_BASE_FENCE_H

#include <stddef.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__) /* gcc */
#define DI4C_FENCES_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) /* clang */
#define DI4C_FENCES_ASAN
#endif
#endif

#if defined(DI4C_FENCES_ASAN)
#include <sanitizer/asan_interface.h>
#elif defined(DI4C_VALGRIND)
#include <valgrind/memcheck.h>
#endif

/* Bytes that a block needs at least behind it for a fence. */
#if defined(DI4C_FENCES_ASAN) || defined(DI4C_VALGRIND)
enum { FENCE_BYTES = 1 };
#else
enum { FENCE_BYTES = 0 };
#endif

/* Nobody may touch these bytes. */
static inline void fence(void *p, size_t bytes)
{
#if defined(DI4C_FENCES_ASAN)
    __asan_poison_memory_region(p, bytes);
#elif defined(DI4C_VALGRIND)
    VALGRIND_MAKE_MEM_NOACCESS(p, bytes);
#else
    (void)p, (void)bytes;
#endif
}

/* They may be written, and then read. */
static inline void unfence(void *p, size_t bytes)
{
#if defined(DI4C_FENCES_ASAN)
    __asan_unpoison_memory_region(p, bytes);
#elif defined(DI4C_VALGRIND)
    VALGRIND_MAKE_MEM_UNDEFINED(p, bytes);
#else
    (void)p, (void)bytes;
#endif
}

/* They may be read: what was written before the fence is still there. */
static inline void unfence_written(void *p, size_t bytes)
{
#if defined(DI4C_FENCES_ASAN)
    __asan_unpoison_memory_region(p, bytes);
#elif defined(DI4C_VALGRIND)
    VALGRIND_MAKE_MEM_DEFINED(p, bytes);
#else
    (void)p, (void)bytes;
#endif
}

/* Debug builds (-DDI4C_POISON) fill what a block leaves behind with 0xFF bytes, which read as NaN,
 * so that nobody computes with it unseen. */
#ifdef DI4C_POISON
enum { POISONED = 1 };
#else
enum { POISONED = 0 };
#endif

static inline void poison(void *p, size_t bytes)
{
    if (!POISONED)
        return;
    unfence(p, bytes);
    memset(p, 0xFF, bytes);
}

#endif
