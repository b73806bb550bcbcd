/* Large pages are asked for, where Linux says so of a block; and a block is what it was. */
#include "tensor/base/huge_pages.h"

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/memory.h"

/* "VmFlags: rd wr ... hg" of the mapping that holds the address: 1 asked for, 0 not, -1 unknown. */
static int asked_for(const void *address)
{
    char line[400];
    bool inside = false;
    int answer = -1;
    FILE *f = fopen("/proc/self/smaps", "r");
    FILE *known = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
    while (f != NULL && known != NULL && answer < 0 && fgets(line, sizeof line, f) != NULL) {
        char *end;
        const unsigned long long first = strtoull(line, &end, 16);
        if (*end == '-')
            inside =
                first <= (uintptr_t)address && (uintptr_t)address < strtoull(end + 1, NULL, 16);
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            answer = strstr(line, " hg") != NULL;
    }
    if (f != NULL)
        fclose(f);
    if (known != NULL)
        fclose(known);
    return answer;
}

static size_t count_of(unsigned char value, const unsigned char *block, size_t bytes)
{
    size_t count = 0;
    for (size_t i = 0; i < bytes; i++)
        count += block[i] == value;
    return count;
}

START_TEST(large_blocks_ask_for_large_pages)
{
    enum { MANY = 5 * HUGE_PAGE };
    unsigned char *block = mem_alloc(MANY, 1);
    memset(block, 7, MANY);
#if defined(__linux__) && !defined(DI4C_PLAIN_C)
    ck_assert_int_ne(asked_for(block + MANY / 2), 0);
#else
    ck_assert_int_ne(asked_for(block + MANY / 2), 1);
#endif
    ck_assert_uint_eq(count_of(7, block, MANY), MANY);
    mem_free(block);
}
END_TEST

/* Whole pages alone, so that a neighbour's memory stays as it is. */
START_TEST(what_lies_around_is_left_alone)
{
    enum { MANY = 4 * HUGE_PAGE };
    unsigned char *block = malloc(MANY);
    ck_assert_ptr_nonnull(block);
    memset(block, 3, MANY);
    for (size_t bytes = 0; bytes < HUGE_PAGE; bytes += HUGE_PAGE / 7)
        huge_pages_ask(block, bytes);
    ck_assert_int_ne(asked_for(block), 1);
    unsigned char *whole = block + (size_t)(-(uintptr_t)block % HUGE_PAGE);
    huge_pages_ask(whole + 1, 2 * HUGE_PAGE - 2); /* a byte is missing on both sides */
    ck_assert_int_ne(asked_for(whole), 1);
    ck_assert_uint_eq(count_of(3, block, MANY), MANY);
    free(block);
}
END_TEST

Suite *huge_pages_suite(void)
{
    Suite *suite = suite_create("huge_pages");
    TCase *tc = tcase_create("huge_pages");
    tcase_add_test(tc, large_blocks_ask_for_large_pages);
    tcase_add_test(tc, what_lies_around_is_left_alone);
    suite_add_tcase(suite, tc);
    return suite;
}
