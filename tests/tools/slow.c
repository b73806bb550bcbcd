#include "tests/tools/slow.h"

TCase *slow_case(Suite *suite, double seconds)
{
    TCase *tc = tcase_create("slow");

    tcase_set_tags(tc, "slow");
    tcase_set_timeout(tc, seconds);
    suite_add_tcase(suite, tc);
    return tc;
}
