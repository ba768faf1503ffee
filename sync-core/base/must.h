#ifndef LEADERD_BASE_MUST_H
#define LEADERD_BASE_MUST_H

/*
 * must(): an assertion that stays on in release builds. It guards what only
 * our own bug could break; whatever comes from a socket, a disk, a backend, a
 * user or a clock is checked and answered with a code instead.
 */

#define must(condition) ((condition) ? (void)0 : must_failed(#condition, __FILE__, __LINE__))

_Noreturn void must_failed(const char *condition, const char *file, int line);

#endif
