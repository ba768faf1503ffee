#ifndef LEADERCTL_QUERY_PRINT_H
#define LEADERCTL_QUERY_PRINT_H

/* A query's rows on standard output. */

#include <leaderd/session.h>

enum query_form { QUERY_TABLE, QUERY_CSV, QUERY_JSON };

/* Reads `rows` to their end. 0, or the negative code of lds_rows_next. */
int query_print(struct lds_rows *rows, enum query_form form);

#endif
