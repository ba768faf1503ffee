/*
 * The hybrid logical clock: wall time that never goes back, with a counter for
 * commits of the same millisecond. Its readings come in from outside, so a
 * clock that jumped, or a pulled event that claims a far future, moves it on
 * but never breaks its order or its width.
 */

#include <inttypes.h>
#include <stdio.h>

#include "model/event.h"

#define TIME_MS_MAX ((UINT64_C(1) << 48) - 1)
#define COUNTER_MAX 0xffffu

#define MS_PER_DAY (24u * 60u * 60u * 1000u)
#define DAYS_PER_400_YEARS 146097u /* the calendar repeats itself after them */

struct date {
	uint32_t year;
	uint32_t month; /* from 1 */
	uint32_t day;   /* from 1 */
};

static bool is_leap(uint32_t year) {
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from the first of January 1970 to that of `year`, which is no earlier. */
static uint32_t days_before_year(uint32_t year) {
	uint32_t past = year - 1;

	return past * 365 + past / 4 - past / 100 + past / 400 - 719162;
}

/* The civil date (UTC, Gregorian) of a number of days since 1970. */
static struct date date_of_day(uint32_t days) {
	static const uint32_t month_days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	/* By the mean length of a year, which is off by a year at most. */
	uint32_t year = 1970 + days * 400 / DAYS_PER_400_YEARS;
	while (days_before_year(year) > days)
		year--;
	while (days_before_year(year + 1) <= days)
		year++;

	uint32_t left = days - days_before_year(year);
	uint32_t month = 0;
	for (;;) {
		uint32_t n = month_days[month] + (month == 1 && is_leap(year));
		if (left < n)
			break;
		left -= n;
		month++;
	}
	return (struct date){ year, month + 1, left + 1 };
}

/* FNV-1a, 64 bit (Fowler, Noll, Vo): well spread, and short enough to stand here. */
static uint64_t hash_text(const char *text) {
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return hash;
}

void hlc_print(char ret[HLC_TEXT_BYTES], struct hlc hlc, const char *client_id, const char *session_id) {
	uint64_t time_ms = hlc.time_ms < TIME_MS_MAX ? hlc.time_ms : TIME_MS_MAX;
	uint32_t counter = hlc.counter < COUNTER_MAX ? hlc.counter : COUNTER_MAX;
	struct date date = date_of_day((uint32_t)(time_ms / MS_PER_DAY));
	uint32_t ms = (uint32_t)(time_ms % MS_PER_DAY);

	/* 48 bits reach into the year 10889. Its thousands are printed as the
	 * character behind '9', which keeps width and order where no year fits. */
	char thousands = (char)('0' + date.year / 1000);

	snprintf(ret, HLC_TEXT_BYTES, "%c%03u-%02u-%02uT%02u:%02u:%02u.%03uZ-%04x-%016" PRIx64 "-%s", thousands,
	         date.year % 1000, date.month, date.day, ms / 3600000, ms / 60000 % 60, ms / 1000 % 60, ms % 1000, counter,
	         hash_text(session_id), client_id);
}

struct hlc hlc_next(struct hlc last, uint64_t now_ms) {
	if (now_ms > TIME_MS_MAX)
		now_ms = TIME_MS_MAX;
	if (now_ms > last.time_ms)
		return (struct hlc){ now_ms, 0 };
	if (last.counter < COUNTER_MAX)
		return (struct hlc){ last.time_ms, last.counter + 1 };
	if (last.time_ms < TIME_MS_MAX)
		return (struct hlc){ last.time_ms + 1, 0 };
	/* The end of all time, which only a peer with a broken clock can bring
	 * near: the clock stands, and what orders events is their position anyway. */
	return last;
}

static bool is_later(struct hlc a, struct hlc b) {
	return a.time_ms != b.time_ms ? a.time_ms > b.time_ms : a.counter > b.counter;
}

struct hlc hlc_later(struct hlc a, struct hlc b) {
	return is_later(a, b) ? a : b;
}
