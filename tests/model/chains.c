#include "chains.h"

#include <stdio.h>
#include <string.h>

#include "base/must.h"
#include "model/notation.h"

struct event_id id_of(char letter) {
	struct event_id id = { { 0 } };

	id.bytes[0] = (unsigned char)letter;
	return id;
}

char letter_of(const struct entry *entry) {
	return (char)entry->id.bytes[0];
}

struct position at(const char *text) {
	struct position position;
	struct error error;

	if (position_parse(&position, text, &error) < 0)
		must_failed(error.text, __FILE__, __LINE__);
	return position;
}

static void add(struct chain *chain, char letter, struct position position, char unit) {
	struct entry *entry = &chain->entries[chain->n++];

	must(chain->n <= CHAIN_MAX);
	*entry = (struct entry){ .id = id_of(letter),
		                     .at = position,
		                     .unit = id_of(unit),
		                     .unit_count = 1,
		                     .client_only = position_is_client_only(position) };
	entry->content.bytes[0] = (unsigned char)letter;
}

static void add_unit(struct chain *chain, const char *letters, size_t n, struct position position) {
	size_t first = chain->n, count = 0;

	for (size_t i = 0; i < n; i++) {
		if (letters[i] == ' ')
			continue;
		add(chain, letters[i], position, letters[0]);
		position = position_next(position, position_is_client_only(position));
		count++;
	}
	for (size_t i = 0; i < count; i++) {
		chain->entries[first + i].unit_index = (uint32_t)i;
		chain->entries[first + i].unit_count = (uint32_t)count;
	}
}

struct chain chain_of(const char *text) {
	struct chain chain = { .n = 0 };

	while (*text != '\0') {
		bool unit = *text == '(';
		size_t n = strcspn(text, unit ? ")" : "@ ");
		size_t mark = strcspn(text, "@"), end = mark + strcspn(text + mark, " ");
		char position[32];

		snprintf(position, sizeof(position), "%.*s", (int)(end - mark - 1), text + mark + 1);
		if (unit)
			add_unit(&chain, text + 1, n - 1, at(position));
		else
			add(&chain, text[0], at(position), text[0]);
		text += end + strspn(text + end, " ");
	}
	return chain;
}

static char *next_buffer(void) {
	static char buffers[4][1024];
	static unsigned next;
	char *buffer = buffers[next++ % 4];

	buffer[0] = '\0';
	return buffer;
}

static void print(char *buffer, const struct entry *entry, bool suspended) {
	char position[POSITION_TEXT_BYTES];
	size_t n = strlen(buffer);

	position_print(position, entry->at);
	snprintf(buffer + n, 1024 - n, "%s%c@%s%s", n > 0 ? " " : "", letter_of(entry), position, suspended ? "?" : "");
}

const char *chain_text(const struct entry *entries, size_t n) {
	char *buffer = next_buffer();

	for (size_t i = 0; i < n; i++)
		print(buffer, &entries[i], false);
	return buffer;
}

const char *pending_text(const struct pending *pending, size_t n) {
	char *buffer = next_buffer();

	for (size_t i = 0; i < n; i++)
		print(buffer, &pending[i].entry, pending[i].suspended);
	return buffer;
}
