/*
 * The file of an import, line by line. What is taken has a name, and arguments
 * that are bytes of the line; the whole line is JSON for another parser too.
 */

#include <jansson.h>
#include <string.h>

#include "fuzz.h"
#include "json_line.h"

static void expect_json(const char *line, size_t n, const struct json_line *taken) {
	json_error_t error;
	json_t *whole = json_loadb(line, n, JSON_REJECT_DUPLICATES, &error);
	json_t *args = json_loadb(taken->args, taken->args_bytes, JSON_DECODE_ANY, &error);

	/* Numbers too large for the parser, and duplicates inside of the arguments, are the library's to refuse. */
	if (whole && args) {
		fuzz_expect(json_equal(json_object_get(whole, "args"), args));
		fuzz_expect(strcmp(json_string_value(json_object_get(whole, "name")), taken->name) == 0);
	}
	json_decref(whole);
	json_decref(args);
}

static void take_line(const char *line, size_t n) {
	struct json_line taken = { 0 };
	char reason[200] = "";
	int r = json_line_read(&taken, line, n, reason, sizeof(reason));

	fuzz_expect(r == 0 || r == -1);
	if (r < 0) {
		fuzz_expect(reason[0] != '\0' && memchr(reason, '\0', sizeof(reason)) != NULL);
		return;
	}
	fuzz_expect(taken.name != NULL);
	fuzz_expect(taken.args >= line && taken.args + taken.args_bytes <= line + n);
	expect_json(line, n, &taken);
	json_line_finish(&taken);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
	const char *at = (const char *)data, *end = at + n;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *line_end = newline ? newline : end;

		take_line(at, (size_t)(line_end - at));
		at = line_end + 1;
	}
	return 0;
}
