/*
 * Allocation that fails on request, and a count of what was not freed, so that
 * a leak shows in a build without a leak checker too.
 */

#include <stddef.h>
#include <string.h>

#include "allocation.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t each);
void *__real_realloc(void *old, size_t n);
char *__real_strdup(const char *text);
void __real_free(void *old);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t each);
void *__wrap_realloc(void *old, size_t n);
char *__wrap_strdup(const char *text);
void __wrap_free(void *old);

static unsigned long countdown;
static bool has_failed;
static long live;

void allocation_fail_at(unsigned long k) {
	countdown = k;
	has_failed = false;
}

bool allocation_has_failed(void) {
	return has_failed;
}

long allocation_live(void) {
	return live;
}

static bool fails_now(void) {
	if (countdown == 0 || --countdown > 0)
		return false;
	has_failed = true;
	return true;
}

static void *counted(void *memory) {
	live += memory != NULL;
	return memory;
}

void *__wrap_malloc(size_t n) {
	return fails_now() ? NULL : counted(__real_malloc(n));
}

void *__wrap_calloc(size_t n, size_t each) {
	return fails_now() ? NULL : counted(__real_calloc(n, each));
}

void *__wrap_realloc(void *old, size_t n) {
	if (fails_now())
		return NULL;
	return old == NULL ? counted(__real_realloc(NULL, n)) : __real_realloc(old, n);
}

char *__wrap_strdup(const char *text) {
	return fails_now() ? NULL : counted(__real_strdup(text));
}

void __wrap_free(void *old) {
	live -= old != NULL;
	__real_free(old);
}
