/* Units, side by side and whole; see unit.h. */

#include "model/unit.h"

static int begin_unit(struct unit_walk *walk, const struct entry *entry, struct error *error) {
	if (entry->unit_count == 0 || entry->unit_count > UNIT_EVENTS_MAX)
		return error_set(error, ERROR_INVALID, "a unit said to hold %u events; 1 to %u are allowed", entry->unit_count,
		                 UNIT_EVENTS_MAX);
	if (entry->unit_index != 0)
		return error_set(error, ERROR_INVALID, "event %u of a unit of %u came without those before it",
		                 entry->unit_index + 1, entry->unit_count);
	*walk = (struct unit_walk){ .first = *entry, .seen = 1 };
	return 0;
}

int unit_walk_next(struct unit_walk *walk, const struct entry *entry, struct error *error) {
	if (walk->seen == walk->first.unit_count)
		return begin_unit(walk, entry, error);
	if (entry->unit_index != walk->seen || entry->unit_count != walk->first.unit_count ||
	    !event_id_equal(&entry->unit, &walk->first.unit))
		return error_set(error, ERROR_INVALID, "event %u of a unit of %u was missing", walk->seen + 1,
		                 walk->first.unit_count);
	if (entry->client_only != walk->first.client_only)
		return error_set(error, ERROR_INVALID, "a unit mixed synced and client-only events");
	walk->seen++;
	return 0;
}

int unit_walk_end(const struct unit_walk *walk, struct error *error) {
	if (walk->seen == walk->first.unit_count)
		return 0;
	return error_set(error, ERROR_INVALID, "only %u events of a unit of %u were there", walk->seen,
	                 walk->first.unit_count);
}

int units_check(const struct entry *entries, size_t n, struct error *error) {
	struct unit_walk walk = { 0 };

	for (size_t i = 0; i < n; i++) {
		int r = unit_walk_next(&walk, &entries[i], error);

		if (r < 0)
			return r;
	}
	return unit_walk_end(&walk, error);
}
