#ifndef LEADERCTL_SCHEMA_ORDER_H
#define LEADERCTL_SCHEMA_ORDER_H

/*
 * Does an effect depend on the order in which SQLite happens to return rows?
 * Generated events are applied to two states, one of which gets rows that have
 * no order backwards. 0, or a STATUS_* that was reported.
 */
int schema_order_check(const char *text, const char *label);

#endif
