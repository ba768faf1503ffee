/*
 * The story: text, one step a line; what stands behind a # at the beginning of a
 * line or behind a blank is a comment.
 *
 *   [N x | every N] OPERATION ACTION [argument…]
 *
 * OPERATION is open, push, pull or look. A pull behind the log's head is a look,
 * whether the leader asked or the adapter did by itself: so how often someone looks
 * does not move the story of the pulls, which give pages. Each call of an operation
 * uses up its first unused line ("3 x" is three of them); when none is left,
 * everything is ok. A line with "every N" is never used up: it stands for the calls
 * N, 2N, 3N…, before all others. Calls are counted in the log's file, so an adapter
 * that was killed goes on with the next line.
 *
 * Whatever the operation:
 *   ok                    as the log says
 *   delay MS              ok, but later
 *   problem CODE TEXT…    nothing happens; a Problem, by the code's name, blanks as
 *                         hyphens: input/output, timeout, full, permission, not-running…
 *   crash                 nothing happens; the adapter dies
 *   lose                  it happens; the adapter dies before its answer
 *   hang                  nothing happens; the adapter never answers
 *   mute                  it happens; the adapter never answers
 *   nonsense              bytes that are no frame, then the adapter ends
 *   epoch                 the log gets its next epoch; ok
 *   forget N              the log loses its newest N events; ok
 *   fork N                its newest N events become others with new ids; ok
 *   wipe                  it loses all events and gets its next epoch; ok
 * open:
 *   lineage               a log of another lineage is found
 * push:
 *   later TEXT…           nothing happens
 *   refuse WHICH TEXT…    permanently; WHICH: all, none, or places in the batch: 1,3
 *   refuse-for-now WHICH TEXT…
 *   behind | diverged     nothing happens, and that is said
 *   wrong-head            it happens; the answer names another hash
 * pull, of the page that would be right (N is a place in it, from 1; shorter pages
 * stay right):
 *   gap N                 without that event
 *   repeat N              with that event twice
 *   swap N                that event and the next change places
 *   alter N               one character of its arguments is another
 *   rewrite N             the same, and all chain hashes agree with it
 *   cut                   without its last event
 *   again                 from the log's beginning instead of behind the point
 *   empty                 as if nothing had come
 * pull and look:
 *   diverged              the point is said not to be in the log
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "script/script.h"

enum { TAKES_NOTHING, TAKES_NUMBER, TAKES_CODE, TAKES_WHICH, TAKES_TEXT };
enum {
	AT_OPEN = 1 << OPERATION_OPEN,
	AT_PUSH = 1 << OPERATION_PUSH,
	AT_PULL = 1 << OPERATION_PULL,
	AT_LOOK = 1 << OPERATION_LOOK,
	AT_ALL = AT_OPEN | AT_PUSH | AT_PULL | AT_LOOK
};

static const struct {
	const char *name;
	enum action action;
	int takes, at;
} known_actions[] = {
	{ "ok", ACTION_OK, TAKES_NOTHING, AT_ALL },
	{ "delay", ACTION_DELAY, TAKES_NUMBER, AT_ALL },
	{ "problem", ACTION_PROBLEM, TAKES_CODE, AT_ALL },
	{ "crash", ACTION_CRASH, TAKES_NOTHING, AT_ALL },
	{ "lose", ACTION_LOSE, TAKES_NOTHING, AT_ALL },
	{ "hang", ACTION_HANG, TAKES_NOTHING, AT_ALL },
	{ "mute", ACTION_MUTE, TAKES_NOTHING, AT_ALL },
	{ "nonsense", ACTION_NONSENSE, TAKES_NOTHING, AT_ALL },
	{ "epoch", ACTION_EPOCH, TAKES_NOTHING, AT_ALL },
	{ "forget", ACTION_FORGET, TAKES_NUMBER, AT_ALL },
	{ "fork", ACTION_FORK, TAKES_NUMBER, AT_ALL },
	{ "wipe", ACTION_WIPE, TAKES_NOTHING, AT_ALL },
	{ "lineage", ACTION_LINEAGE, TAKES_NOTHING, AT_OPEN },
	{ "later", ACTION_LATER, TAKES_TEXT, AT_PUSH },
	{ "refuse", ACTION_REFUSE, TAKES_WHICH, AT_PUSH },
	{ "refuse-for-now", ACTION_REFUSE_FOR_NOW, TAKES_WHICH, AT_PUSH },
	{ "behind", ACTION_BEHIND, TAKES_NOTHING, AT_PUSH },
	{ "diverged", ACTION_DIVERGED, TAKES_NOTHING, AT_PUSH | AT_PULL | AT_LOOK },
	{ "wrong-head", ACTION_WRONG_HEAD, TAKES_NOTHING, AT_PUSH },
	{ "gap", ACTION_GAP, TAKES_NUMBER, AT_PULL },
	{ "repeat", ACTION_REPEAT, TAKES_NUMBER, AT_PULL },
	{ "swap", ACTION_SWAP, TAKES_NUMBER, AT_PULL },
	{ "alter", ACTION_ALTER, TAKES_NUMBER, AT_PULL },
	{ "rewrite", ACTION_REWRITE, TAKES_NUMBER, AT_PULL },
	{ "cut", ACTION_CUT, TAKES_NOTHING, AT_PULL },
	{ "again", ACTION_AGAIN, TAKES_NOTHING, AT_PULL },
	{ "empty", ACTION_EMPTY, TAKES_NOTHING, AT_PULL },
};

static const char *const operation_names[OPERATIONS] = { "open", "push", "pull", "look" };

/* The next word of *at, which moves behind it; NULL at the end. */
static const char *next_word(char **at) {
	char *word = *at + strspn(*at, " \t");
	size_t n = strcspn(word, " \t");

	if (n == 0)
		return NULL;
	*at = word + n;
	if (**at != '\0')
		*(*at)++ = '\0';
	return word;
}

static bool read_number(const char *word, uint64_t *ret) {
	char *end;
	uint64_t number;

	if (word == NULL || word[0] < '0' || word[0] > '9')
		return false;
	errno = 0;
	number = strtoull(word, &end, 10);
	if (*end != '\0' || errno != 0 || number == 0)
		return false;
	*ret = number;
	return true;
}

static bool read_code(const char *word, int *ret) {
	char name[32];

	for (int code = -1; word != NULL && code >= ERROR_LAST; code--) {
		snprintf(name, sizeof(name), "%s", error_name(code));
		for (char *blank = name; (blank = strchr(blank, ' ')) != NULL;)
			*blank = '-';
		if (strcmp(name, word) == 0) {
			*ret = code;
			return true;
		}
	}
	return false;
}

static bool read_argument(struct story_line *ret, int takes, char **at) {
	const char *which;

	switch (takes) {
	case TAKES_NUMBER:
		return read_number(next_word(at), &ret->number);
	case TAKES_CODE:
		return read_code(next_word(at), &ret->code);
	case TAKES_WHICH:
		which = next_word(at);
		return which != NULL && strlen(which) < sizeof(ret->which) && strcpy(ret->which, which) != NULL;
	default:
		return true;
	}
}

static bool read_action(struct story_line *ret, char **at) {
	const char *word = next_word(at);

	for (size_t i = 0; word != NULL && i < sizeof(known_actions) / sizeof(known_actions[0]); i++) {
		if (strcmp(known_actions[i].name, word) != 0 || (known_actions[i].at & 1 << ret->operation) == 0)
			continue;
		ret->action = known_actions[i].action;
		if (!read_argument(ret, known_actions[i].takes, at))
			return false;
		*at += strspn(*at, " \t");
		if (known_actions[i].takes <= TAKES_NUMBER)
			return **at == '\0';
		snprintf(ret->text, sizeof(ret->text), "%.199s", **at == '\0' ? "as the story says" : *at);
		return true;
	}
	return false;
}

static bool read_line(struct story_line *ret, char *at) {
	const char *word = next_word(&at);

	*ret = (struct story_line){ .count = 1, .operation = OPERATIONS };
	if (word != NULL && strcmp(word, "every") == 0) {
		ret->every = true;
		if (!read_number(next_word(&at), &ret->count))
			return false;
		word = next_word(&at);
	} else if (word != NULL && read_number(word, &ret->count)) {
		word = next_word(&at);
		if (word == NULL || strcmp(word, "x") != 0)
			return false;
		word = next_word(&at);
	}
	for (int i = 0; word != NULL && i < OPERATIONS; i++)
		if (strcmp(operation_names[i], word) == 0)
			ret->operation = (enum operation)i;
	return ret->operation != OPERATIONS && read_action(ret, &at);
}

static void cut_comment(char *line) {
	line[strcspn(line, "\r\n")] = '\0';
	for (char *at = line; *at != '\0'; at++) {
		if (*at == '#' && (at == line || at[-1] == ' ' || at[-1] == '\t')) {
			*at = '\0';
			return;
		}
	}
}

static int add_line(struct story *story, char *text, struct error *error) {
	struct story_line line;
	struct story_line *lines;

	cut_comment(text);
	if (text[strspn(text, " \t")] == '\0')
		return 0;
	if (!read_line(&line, text))
		return ERROR_INVALID;
	lines = realloc(story->lines, (story->n + 1) * sizeof(*lines));
	if (lines == NULL)
		return error_no_memory(error);
	story->lines = lines;
	story->lines[story->n++] = line;
	return 0;
}

int story_read(struct story *ret, const char *path, struct error *error) {
	FILE *file = fopen(path, "re");
	struct story story = { 0 };
	char *line = NULL;
	size_t n = 0, number = 0;
	int r = 0;

	if (file == NULL)
		return error_set(error, ERROR_NOT_FOUND, "cannot open the story %s: %s", path, strerror(errno));
	while (r == 0 && getline(&line, &n, file) > 0) {
		number++;
		r = add_line(&story, line, error);
		if (r == ERROR_INVALID)
			error_set(error, r, "%s:%zu was no step of a story", path, number);
	}
	free(line);
	fclose(file);
	if (r < 0) {
		story_finish(&story);
		return r;
	}
	*ret = story;
	return 0;
}

void story_finish(struct story *story) {
	free(story->lines);
	*story = (struct story){ 0 };
}

static const struct story_line *every_line_of(const struct story *story, enum operation operation, uint64_t call) {
	for (size_t i = 0; i < story->n; i++)
		if (story->lines[i].operation == operation && story->lines[i].every && call % story->lines[i].count == 0)
			return &story->lines[i];
	return NULL;
}

static bool has_every(const struct story *story, enum operation operation) {
	for (size_t i = 0; i < story->n; i++)
		if (story->lines[i].operation == operation && story->lines[i].every)
			return true;
	return false;
}

const struct story_line *story_line_of(const struct story *story, enum operation operation, uint64_t call) {
	static const struct story_line ok = { .action = ACTION_OK };
	const struct story_line *line = every_line_of(story, operation, call);
	uint64_t used = 0; /* calls that the lines so far use up */
	uint64_t own = call;

	if (line != NULL)
		return line;
	/* The calls that an "every" took for itself use up nothing. */
	for (uint64_t earlier = 1; has_every(story, operation) && earlier < call; earlier++)
		own -= every_line_of(story, operation, earlier) != NULL;
	for (size_t i = 0; i < story->n; i++) {
		line = &story->lines[i];
		if (line->operation != operation || line->every)
			continue;
		used += line->count;
		if (own <= used)
			return line;
	}
	return &ok;
}
