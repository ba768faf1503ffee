/* The feed of one session; see feed.h. */

#include "model/feed.h"

#include "base/must.h"

void feed_open(struct feed *feed, struct position at, struct position head, uint64_t refused_sent) {
	*feed = (struct feed){ .sent = at,
		                   .back = at,
		                   .sent_before = at,
		                   .full_until = head,
		                   .refused_sent = refused_sent,
		                   .heads_changed = true };
}

static struct position earlier(struct position a, struct position b) {
	return position_compare(a, b) < 0 ? a : b;
}

void feed_rebased(struct feed *feed, struct position to, struct position head) {
	feed->sent = earlier(feed->sent, to);
	feed->back = earlier(feed->back, to);
	feed->full_until = head;
	feed->heads_changed = true;
}

bool feed_needs_rebase(const struct feed *feed, struct position *ret_back_to) {
	if (position_compare(feed->back, feed->sent_before) >= 0)
		return false;
	*ret_back_to = feed->back;
	return true;
}

void feed_advanced(struct feed *feed, struct position last) {
	must(position_compare(feed->sent, last) <= 0);
	feed->sent = feed->back = feed->sent_before = last;
	feed->heads_changed = false;
}

bool feed_may_be_short(const struct feed *feed, struct position at) {
	return position_compare(at, feed->full_until) > 0;
}
