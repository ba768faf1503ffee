/* The program: options, the list of stories, the summary. */

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "conformance.h"

#define DEFAULT_SEED 20240617

static const struct story *const all_stories[] = {
	stories_of_the_log, stories_of_limits, stories_of_writers, stories_of_losses,
	stories_of_live, stories_of_lineage, stories_of_trouble, stories_of_size,
};

static void print_help(void) {
	puts("usage: conformance [options] ADAPTER URL\n\n"
	     "Runs the adapter program ADAPTER as leaderd would, against the backend at URL, and\n"
	     "checks what every adapter must do. Each story uses a log of its own, named\n"
	     "conformance-XXXX (so URL must not name one by store=); they are left behind.\n\n"
	     "  --reset CMD      takes the log away, as if it had never been: stories of lost logs\n"
	     "  --stop CMD       makes the backend unreachable, and\n"
	     "  --start CMD      reachable again: stories of outages\n"
	     "  --bad-url URL    an address whose credentials or owner are wrong\n"
	     "  --only TEXT      stories whose name contains TEXT\n"
	     "  --events N       in the large store (default 100000)\n"
	     "  --seconds S      that the large store may take (default 300)\n"
	     "  --rounds N       of two writers racing (default 300)\n"
	     "  --list           names of the stories\n"
	     "  --help           this text\n\n"
	     "Commands run under sh with STORE set to the log's name. LEADERD_SEED sets another\n"
	     "seed. Exit status 0 if no story failed, 1 if one did, 2 for wrong usage. A story\n"
	     "whose option is not given is printed as left out.");
}

static void run_story(const struct story *story, struct trial *trial) {
	jmp_buf end;

	trial->end = &end;
	if (setjmp(end) == 0)
		story->run(trial);
	while (trial->n_clients > 0)
		client_destroy(trial->clients[0]);
}

static const char *missing_option(const struct story *story, const struct options *options) {
	if (story->needs_reset && options->reset == NULL)
		return "--reset";
	if (story->needs_outage && (options->stop == NULL || options->start == NULL))
		return "--stop and --start";
	if (story->needs_bad_url && options->bad_url == NULL)
		return "--bad-url";
	return NULL;
}

/* 0: it went well, or was left out. */
static int try_story(const struct story *story, const struct options *options) {
	struct trial trial = { .options = options, .chance = options->seed | 1 };
	const char *missing = missing_option(story, options);
	int64_t start = now_ms();

	if (missing != NULL) {
		printf("left out  %s: needs %s\n", story->name, missing);
		return 0;
	}
	trial_new_store(&trial);
	run_story(story, &trial);
	if (trial.failure[0] == '\0')
		printf("ok        %s (%" PRId64 " ms)\n", story->name, now_ms() - start);
	else
		printf("FAILED    %s: %s\n", story->name, trial.failure);
	return trial.failure[0] == '\0' ? 0 : 1;
}

static int for_all_stories(const struct options *options, bool list) {
	int n_failed = 0, n_run = 0;

	for (size_t i = 0; i < sizeof(all_stories) / sizeof(all_stories[0]); i++) {
		for (const struct story *story = all_stories[i]; story->name != NULL; story++) {
			if (options->only != NULL && strstr(story->name, options->only) == NULL)
				continue;
			n_run++;
			if (list)
				puts(story->name);
			else
				n_failed += try_story(story, options);
			fflush(stdout);
		}
	}
	if (list)
		return 0;
	printf("%d stories, %d failed (seed %" PRIu64 ")\n", n_run, n_failed, options->seed);
	return n_failed > 0 || n_run == 0 ? 1 : 0;
}

static uint64_t number(const char *text) {
	char *end;
	uint64_t value = strtoull(text, &end, 0);

	if (*text == '\0' || *end != '\0' || value == 0) {
		fprintf(stderr, "conformance: %s is no number above 0\n", text);
		exit(2);
	}
	return value;
}

enum { OPTION_STOP = 256, OPTION_START, OPTION_RESET, OPTION_BAD_URL, OPTION_ONLY, OPTION_EVENTS, OPTION_SECONDS,
       OPTION_ROUNDS, OPTION_LIST, OPTION_HELP };

static bool take_option(int option, struct options *ret) {
	switch (option) {
	case OPTION_STOP:
		ret->stop = optarg;
		return true;
	case OPTION_START:
		ret->start = optarg;
		return true;
	case OPTION_RESET:
		ret->reset = optarg;
		return true;
	case OPTION_BAD_URL:
		ret->bad_url = optarg;
		return true;
	case OPTION_ONLY:
		ret->only = optarg;
		return true;
	case OPTION_EVENTS:
		ret->large_events = number(optarg);
		return true;
	case OPTION_SECONDS:
		ret->large_seconds = (unsigned)number(optarg);
		return true;
	case OPTION_ROUNDS:
		ret->race_rounds = number(optarg);
		return true;
	default:
		return false;
	}
}

int main(int argc, char **argv) {
	static const struct option known[] = {
		{ "stop", required_argument, NULL, OPTION_STOP }, { "start", required_argument, NULL, OPTION_START },
		{ "reset", required_argument, NULL, OPTION_RESET }, { "bad-url", required_argument, NULL, OPTION_BAD_URL },
		{ "only", required_argument, NULL, OPTION_ONLY }, { "events", required_argument, NULL, OPTION_EVENTS },
		{ "seconds", required_argument, NULL, OPTION_SECONDS }, { "rounds", required_argument, NULL, OPTION_ROUNDS },
		{ "list", no_argument, NULL, OPTION_LIST }, { "help", no_argument, NULL, OPTION_HELP }, { 0 },
	};
	struct options options = { .large_events = 100000, .large_seconds = 300, .race_rounds = 300 };
	const char *seed = getenv("LEADERD_SEED");
	bool list = false;
	int option;

	options.seed = seed == NULL ? DEFAULT_SEED : number(seed);
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (option == OPTION_HELP) {
			print_help();
			return 0;
		}
		if (option == OPTION_LIST)
			list = true;
		else if (!take_option(option, &options))
			return 2;
	}
	if (list ? argc != optind : argc - optind != 2) {
		fputs("usage: conformance [options] ADAPTER URL; --help says more\n", stderr);
		return 2;
	}
	if (!list) {
		options.program = argv[optind];
		options.url = argv[optind + 1];
	}
	return for_all_stories(&options, list);
}
