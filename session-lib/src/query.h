#ifndef LEADERD_SESSION_QUERY_H
#define LEADERD_SESSION_QUERY_H

/* Rows: a reading statement of the app on the session's state. */

#include "session.h"

struct lds_rows {
	struct lds_session *session;
	TAILQ_ENTRY(lds_rows) list;
	sqlite3_stmt *statement;
	bool on_row, ended;
	bool lent; /* to a query's callback: close leaves them alone */
};

int rows_open(struct lds_session *session, const char *sql, const struct lds_parameter *parameters, size_t n_parameters,
              struct lds_rows **ret_rows);
void rows_rewind(struct lds_rows *rows);
void rows_free(struct lds_rows *rows);

#endif
