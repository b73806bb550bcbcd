#include "tests/tools/one_thread.h"

#include "tensor/system/threads.h"

static void set_one(void)
{
    threads_set(1);
}

TCase *one_thread_case(const char *name, double seconds)
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, set_one, NULL);
    tcase_set_timeout(tc, seconds);
    return tc;
}
