/* leader-scenario FILE...: runs stories and tells the first difference. */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

static void print_help(FILE *out) {
	fputs("Usage: leader-scenario [OPTION]... FILE...\n"
	      "Runs stories against real leaders and real session processes, each in a fresh\n"
	      "temporary folder, and shows the first difference.\n"
	      "\n"
	      "  -l, --leaderd PROGRAM  the daemon (else $LEADERD_PROGRAM, else leaderd on PATH)\n"
	      "  -w, --wait SECONDS     how long an expectation may take to come true (default: 5)\n"
	      "  -v, --verbose          print each step before it is taken\n"
	      "  -h, --help             print this help\n"
	      "\n"
	      "Steps, one a line; # begins a comment:\n"
	      "  schema FILE            backend none            device A ...\n"
	      "  session A.1 ...        pause A.1               resume A.1\n"
	      "  commit A.1 NAME JSON   commit-fails A.1 NAME JSON (refused)\n"
	      "  batch A.1 [{\"name\":...,\"args\":{...}},...]\n"
	      "  kill A | stop A | start A (a session too)      settle [NODE ...]\n"
	      "  expect A e1' -> e2'    expect A.1 ends e5'     expect-refused A 1\n"
	      "  expect-query A.1 3 SELECT count(*) FROM todo   expect-same\n"
	      "A {context} in an expectation matches if each of its dotted parts is the event's\n"
	      "name, an argument's name, or the value of a text argument.\n"
	      "\n"
	      "Example: leader-scenario tests/scenarios/sequential-chain.scenario\n"
	      "Exit status: 0 all held, 1 a difference or a failure, 2 usage.\n",
	      out);
}

static int run_file(const struct scenario *setting, const char *file) {
	struct scenario scenario = *setting;
	struct error error = { 0 };

	if (scenario_run(&scenario, file, &error) < 0) {
		fprintf(stderr, "%s:%u: %s\n", file, scenario.line, error.text);
		return 1;
	}
	printf("%s: held\n", file);
	fflush(stdout);
	return 0;
}

/* --session-process FD SOCKET SCHEMA NAME: how the program starts itself. */
static void become_session(int argc, char **argv) {
	struct session_process_options options;

	if (argc != 6 || strcmp(argv[1], "--session-process") != 0)
		return;
	options = (struct session_process_options){
		.fd = atoi(argv[2]), .socket = argv[3], .schema_path = argv[4], .session_id = argv[5]
	};
	session_process(&options);
}

int main(int argc, char **argv) {
	static const struct option long_options[] = { { "leaderd", required_argument, NULL, 'l' },
		                                          { "wait", required_argument, NULL, 'w' },
		                                          { "verbose", no_argument, NULL, 'v' },
		                                          { "help", no_argument, NULL, 'h' },
		                                          { NULL, 0, NULL, 0 } };
	static struct scenario setting;
	int option, failures = 0;

	become_session(argc, argv);
	setting.expect_ms = EXPECT_MS;
	setting.own = "/proc/self/exe";
	setting.leaderd = getenv("LEADERD_PROGRAM") != NULL ? getenv("LEADERD_PROGRAM") : "leaderd";
	while ((option = getopt_long(argc, argv, "l:w:vh", long_options, NULL)) != -1) {
		switch (option) {
		case 'l':
			setting.leaderd = optarg;
			break;
		case 'w':
			setting.expect_ms = (int)(strtod(optarg, NULL) * 1000);
			break;
		case 'v':
			setting.verbose = true;
			break;
		case 'h':
			print_help(stdout);
			return 0;
		default:
			return 2;
		}
	}
	if (optind == argc) {
		print_help(stderr);
		return 2;
	}
	for (int i = optind; i < argc; i++)
		failures += run_file(&setting, argv[i]);
	return failures > 0;
}
