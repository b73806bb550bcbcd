#include "tensor/system/unfinished.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST = 32 };
static const char *names[MOST];

static void remove_all(void)
{
    for (int i = 0; i < MOST; i++)
        if (names[i] != NULL)
            remove(names[i]);
}

void unfinished_add(const char *name)
{
    static bool registered;

    if (!registered)
        registered = atexit(remove_all) == 0;
    for (int i = 0; i < MOST; i++)
        if (names[i] == NULL) {
            names[i] = name;
            return;
        }
}

void unfinished_done(const char *name)
{
    for (int i = 0; i < MOST; i++)
        if (names[i] == name)
            names[i] = NULL;
}
