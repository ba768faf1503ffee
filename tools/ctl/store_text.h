#ifndef LEADERCTL_STORE_TEXT_H
#define LEADERCTL_STORE_TEXT_H

/* A store's status, as text and as JSON. */

#include <jansson.h>
#include <stdbool.h>

#include <leaderd/admin.h>

json_t *json_store(const struct lda_store *store);
json_t *json_stores(const struct lda_stores *stores); /* {"stores":[...]} */

/* The backend: URL, head, what goes on, what is wrong; null without one. A new reference. */
json_t *json_backend(const struct lda_store *store);
/* What goes on between store and backend, and what is wrong: "following", "resting, again in 12 s: ...". */
#define BACKEND_TEXT_BYTES 800
void backend_text(char ret[BACKEND_TEXT_BYTES], const struct lda_store *store);

/* One line for each fact. */
void print_store(const struct lda_store *store);

/* Has the backend confirmed what stands there? Without a backend nothing is. */
bool is_confirmed(const struct lda_store *store, struct lds_position position);
/* A position in the notation, "e5'"; `ret` has LDS_POSITION_TEXT_BYTES + 1. */
void mark_position(char *ret, const struct lda_store *store, struct lds_position position);

#endif
