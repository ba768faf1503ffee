/* The command line; see parse.h. */

#include "parse.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "help.h"
#include "nearest.h"
#include "report.h"

#define LONG_OPTION 256 /* getopt's value for an option's name: behind every letter */
#define ASKED (-1)      /* help or version: printed */

/* What getopt knows of a sub-command, or with NULL of what stands before it. */
struct grammar {
	struct option names[OPTION_COUNT + 1];
	char letters[2 * OPTION_COUNT + 3];
};

static void grammar_make(struct grammar *ret, const struct command *command) {
	size_t n = 0, n_letters = 0;

	memset(ret, 0, sizeof(*ret));
	if (!command || command->is_wrapper)
		ret->letters[n_letters++] = '+';
	ret->letters[n_letters++] = ':';
	for (int i = OPTION_NONE + 1; i < OPTION_COUNT; i++) {
		const struct option_word *word = &option_words[i];

		if (command ? !command_has_option(command, i) : !option_is_common(i))
			continue;
		ret->names[n++] =
			(struct option){ word->name, word->value_name ? required_argument : no_argument, NULL, LONG_OPTION + i };
		if (!word->letter)
			continue;
		ret->letters[n_letters++] = word->letter;
		if (word->value_name)
			ret->letters[n_letters++] = ':';
	}
}

static int option_of(int found) {
	if (found >= LONG_OPTION)
		return found - LONG_OPTION;
	for (int i = OPTION_NONE + 1; i < OPTION_COUNT; i++)
		if (option_words[i].letter && option_words[i].letter == found)
			return i;
	return OPTION_NONE;
}

static const char *name_of(const struct call *call) {
	return call->command ? call->command->name : "";
}

int usage_error(const struct call *call, const char *format, ...) {
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return report(STATUS_USAGE, "%s%s%s; 'leaderctl %s%s--help' says more", name_of(call), call->command ? ": " : "",
	              text, name_of(call), call->command ? " " : "");
}

static int unknown_option(const struct call *call, const char *word) {
	const char *nearest = NULL;
	char name[64];
	unsigned least = UINT_MAX;

	if (strncmp(word, "--", 2) != 0 || word[2] == '\0')
		return usage_error(call, "unknown option -%c", optopt);
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 2, "="), word + 2);
	for (int i = OPTION_NONE + 1; i < OPTION_COUNT; i++) {
		const struct option_word *known = &option_words[i];
		bool offered = call->command ? command_has_option(call->command, i) : option_is_common(i);

		if (!offered || !word_is_near(name, known->name) || word_distance(name, known->name) >= least)
			continue;
		nearest = known->name;
		least = word_distance(name, known->name);
	}
	if (nearest)
		return usage_error(call, "unknown option --%s, did you mean --%s?", name, nearest);
	return usage_error(call, "unknown option --%s", name);
}

static int bad_option(const struct call *call, int found, const char *word) {
	int option = option_of(optopt);

	if (found == ':')
		return usage_error(call, "--%s needs a value: %s", option_words[option].name, option_words[option].value_name);
	/* A flag that was given a value has its own number in optopt. */
	if (optopt >= LONG_OPTION)
		return usage_error(call, "--%s takes no value", option_words[option].name);
	return unknown_option(call, word);
}

static int take_timeout(struct call *call, const char *text) {
	char *end;
	double seconds;

	errno = 0;
	seconds = strtod(text, &end);
	if (errno != 0 || end == text || *end != '\0' || !(seconds >= 0 && seconds <= 1000000))
		return usage_error(call, "--timeout must be seconds from 0 to 1000000, not \"%s\"", text);
	/* The library takes 0 for its own default. */
	call->timeout_ms = seconds < 0.001 ? 1 : (int)(seconds * 1000);
	return 0;
}

static int take_option(struct call *call, int option, const char *value) {
	if (option == OPTION_PARAM)
		call->parameters[call->n_parameters++] = value;
	call->values[option] = value ? value : "";
	if (option == OPTION_JSON)
		call->json = true;
	if (option == OPTION_TIMEOUT)
		return take_timeout(call, value);
	return 0;
}

static int take_options(struct call *call, int argc, char **argv) {
	struct grammar grammar;

	grammar_make(&grammar, call->command);
	optind = 0; /* starts over */
	opterr = 0;
	for (;;) {
		int found = getopt_long(argc, argv, grammar.letters, grammar.names, NULL), r;

		if (found < 0)
			return 0;
		if (found == '?' || found == ':')
			return bad_option(call, found, argv[optind - 1]);
		r = take_option(call, option_of(found), optarg);
		if (r != 0)
			return r;
	}
}

/* "store create" is two words, and "store" alone the beginning of four. */
static int words_of(const struct command *command, int argc, char **argv) {
	const char *space = strchr(command->name, ' ');

	if (!space)
		return argc > 0 && strcmp(argv[0], command->name) == 0 ? 1 : 0;
	if (argc < 2 || strlen(argv[0]) != (size_t)(space - command->name) ||
	    strncmp(argv[0], command->name, (size_t)(space - command->name)) != 0)
		return 0;
	return strcmp(argv[1], space + 1) == 0 ? 2 : 0;
}

static bool is_group(const struct command *command, const char *word) {
	const char *space = strchr(command->name, ' ');

	return space && strlen(word) == (size_t)(space - command->name) && strncmp(command->name, word, strlen(word)) == 0;
}

static int unknown_command(int argc, char **argv) {
	struct call none = { 0 };
	const char *nearest = NULL;
	char words[160];
	unsigned least = UINT_MAX;
	bool group = false;

	snprintf(words, sizeof(words), "%.60s%s%.60s", argv[0], argc > 1 ? " " : "", argc > 1 ? argv[1] : "");
	for (size_t i = 0; commands[i]; i++) {
		const char *name = commands[i]->name;
		const char *word = strchr(name, ' ') ? words : argv[0];
		bool sibling = is_group(commands[i], argv[0]);

		group = group || sibling;
		/* Whoever wrote "store" means one of its own. */
		if (!word_is_near(word, name) || word_distance(word, name) >= least)
			continue;
		nearest = name;
		least = word_distance(word, name);
	}
	if (nearest)
		return usage_error(&none, "unknown sub-command \"%s\", did you mean \"%s\"?", group ? words : argv[0], nearest);
	if (group && (argc < 2 || argv[1][0] == '-'))
		return usage_error(&none, "\"%s\" needs another word behind it", argv[0]);
	return usage_error(&none, "unknown sub-command \"%s\"", group ? words : argv[0]);
}

static int find_command(struct call *call, int argc, char **argv, int *ret_words) {
	struct call none = { 0 };

	if (argc == 0)
		return usage_error(&none, "what to do? A sub-command is missing");
	for (size_t i = 0; commands[i]; i++) {
		*ret_words = words_of(commands[i], argc, argv);
		if (*ret_words == 0)
			continue;
		call->command = commands[i];
		call->timeout_ms = call->command->timeout_s > 0 ? call->command->timeout_s * 1000 : -1;
		return 0;
	}
	return unknown_command(argc, argv);
}

static int n_words_of(const struct command *command) {
	int n = 0;

	while (n < WORDS_MAX && command->words[n])
		n++;
	return n;
}

static int check_words(const struct call *call) {
	const struct command *command = call->command;
	int n = n_words_of(command);

	if (call->n_words < command->n_required)
		return usage_error(call, "%s is missing", command->words[call->n_words]);
	if (call->n_words > n && !command->repeats)
		return usage_error(call, "\"%s\" is one word too many", call->words[n]);
	for (int i = 0; i < call->n_words && i < n; i++)
		if (call->words[i][0] == '\0')
			return usage_error(call, "%s is empty", command->words[i]);
	return 0;
}

/* Help and version win over whatever else is on the line. */
static int tell_what_was_asked(const struct call *call) {
	if (call_has(call, OPTION_HELP)) {
		if (call->command)
			help_command(call->command);
		else
			help_all();
		return ASKED;
	}
	if (call_has(call, OPTION_VERSION)) {
		help_version(call->json);
		return ASKED;
	}
	return 0;
}

static int parse(struct call *call, int argc, char **argv) {
	int before, n_name, r;

	r = take_options(call, argc, argv);
	if (r == 0)
		r = tell_what_was_asked(call);
	if (r != 0)
		return r;
	before = optind;
	r = find_command(call, argc - before, argv + before, &n_name);
	if (r != 0)
		return r;
	/* getopt passes over the first word: it is the last one of the name. */
	argc -= before + n_name - 1;
	argv += before + n_name - 1;
	r = take_options(call, argc, argv);
	if (r == 0)
		r = tell_what_was_asked(call);
	if (r != 0)
		return r;
	call->words = argv + optind;
	call->n_words = argc - optind;
	return check_words(call);
}

int call_parse(struct call *ret, int argc, char **argv) {
	memset(ret, 0, sizeof(*ret));
	ret->parameters = must_have(calloc((size_t)argc + 1, sizeof(*ret->parameters)));
	return parse(ret, argc, argv);
}

void call_finish(struct call *call) {
	free(call->parameters);
	call->parameters = NULL;
}

int call_number(const struct call *call, enum option_id option, uint64_t least, uint64_t most, uint64_t fallback,
                uint64_t *ret) {
	const char *text = call->values[option];
	unsigned long long number;
	char *end;

	if (!text) {
		*ret = fallback;
		return 0;
	}
	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno != 0 || text[0] < '0' || text[0] > '9' || *end != '\0' || number < least || number > most)
		return usage_error(call, "--%s must be a number from %llu to %llu, not \"%s\"", option_words[option].name,
		                   (unsigned long long)least, (unsigned long long)most, text);
	*ret = number;
	return 0;
}
