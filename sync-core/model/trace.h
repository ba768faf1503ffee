#ifndef LEADERD_MODEL_TRACE_H
#define LEADERD_MODEL_TRACE_H

/* One sentence on what a machine decided. */

#define TRACE_BYTES_MAX 200u

/* Cut at TRACE_BYTES_MAX; the newest sentence of a step stands. */
void trace_write(char ret[TRACE_BYTES_MAX], const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
