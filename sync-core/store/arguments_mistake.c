/* What is said of arguments that are no JSON: the argument, the place, the reason. */

#include "store/arguments_mistake.h"

#include <string.h>

/* Behind the string that begins at text[at]; n if it does not end. */
static size_t skip_unchecked_string(const char *text, size_t n, size_t at) {
	for (at++; at < n && text[at] != '"'; at++)
		at += text[at] == '\\';
	return at < n ? at + 1 : n;
}

static const struct schema_argument *find_argument(const struct schema_event *definition, const char *name, size_t n) {
	for (size_t i = 0; i < definition->n_arguments; i++)
		if (strlen(definition->arguments[i].name) == n && memcmp(definition->arguments[i].name, name, n) == 0)
			return &definition->arguments[i];
	return NULL;
}

/* The argument whose key was the last one in front of a mistake, for people; the
 * text is no JSON, so this looks at no more than quotes, brackets and commas. */
static const struct schema_argument *argument_before(const struct schema_event *definition, const char *text,
                                                     size_t n) {
	const struct schema_argument *found = NULL;
	unsigned depth = 0;
	bool key = false;

	for (size_t at = 0; at < n;) {
		char c = text[at];
		size_t end = c == '"' ? skip_unchecked_string(text, n, at) : at + 1;

		if (c == '"' && depth == 1 && key && end - at >= 2)
			found = find_argument(definition, text + at + 1, end - at - 2);
		depth += c == '{' || c == '[';
		depth -= (c == '}' || c == ']') && depth > 0;
		if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
			key = (c == '{' || c == ',') && depth == 1;
		at = end;
	}
	return found;
}

/* The library's message may quote the text, which is the user's; it does so last. */
int arguments_syntax_error(const struct schema_event *definition, const char *args, const json_error_t *json_error,
                           struct error *error) {
	const struct schema_argument *argument = argument_before(definition, args, (size_t)json_error->position);
	const char *quote = strstr(json_error->text, " near '");
	int n = quote ? (int)(quote - json_error->text) : (int)strlen(json_error->text);

	if (json_error_code(json_error) == json_error_out_of_memory)
		return error_no_memory(error);
	if (argument)
		return error_set(error, ERROR_INVALID, "argument '%s' of event %s@%u is no JSON, at byte %d: %.*s",
		                 argument->name, definition->name, definition->version, json_error->position, n,
		                 json_error->text);
	return error_set(error, ERROR_INVALID, "the arguments of event %s@%u are no JSON object, at byte %d: %.*s",
	                 definition->name, definition->version, json_error->position, n, json_error->text);
}
