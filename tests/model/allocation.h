#ifndef LEADERD_TESTS_ALLOCATION_H
#define LEADERD_TESTS_ALLOCATION_H

/*
 * Makes allocation fail. A test that links allocation.c wraps malloc and its
 * kin in our own objects (allocation_link_args in meson.build); those of
 * libraries are left alone.
 */

#include <stdbool.h>

/* The k-th allocation from now on fails, k from 1; 0: none does. */
void allocation_fail_at(unsigned long k);

/* Has it failed since it was told to? */
bool allocation_has_failed(void);

/* How many allocations of our own objects have not been freed. */
long allocation_live(void);

#endif
