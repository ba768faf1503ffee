#ifndef LEADERD_UPSTREAM_CONFIRM_H
#define LEADERD_UPSTREAM_CONFIRM_H

/*
 * What the backend said goes to the leader's machine: a page, an acceptance, a
 * refusal. Each answers how that went, and says why it did not.
 */

#include "leaderd/src/upstream.h"

enum upstream_merged upstream_merge_page(struct upstream *upstream, const Leaderd__Page *message, struct error *why);
enum upstream_merged upstream_confirm(struct upstream *upstream, const Leaderd__PushAnswer *answer,
                                      struct error *why);
enum upstream_merged upstream_refuse(struct upstream *upstream, const Leaderd__PushAnswer *answer, struct error *why);

#endif
