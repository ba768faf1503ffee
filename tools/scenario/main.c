/* leader-scenario FILE...: runs stories and tells the first difference. */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

#define EXIT_SKIPPED 77

static void print_help(FILE *out) {
	fputs("Usage: leader-scenario [OPTION]... FILE...\n"
	      "Runs stories against real leaders and real session processes, each in a fresh\n"
	      "temporary folder, and shows the first difference.\n"
	      "\n"
	      "  -l, --leaderd PROGRAM  the daemon (else $LEADERD_PROGRAM, else leaderd on PATH)\n"
	      "  -b, --backend KIND     instead of the one that the files name\n"
	      "  -s, --servers FOLDER   where the scripts postgres-server and nats-server are\n"
	      "  -w, --wait SECONDS     how long an expectation may take to come true (default: 5)\n"
	      "  -v, --verbose          print each step before it is taken\n"
	      "  -h, --help             print this help\n"
	      "\n"
	      "Steps, one a line; # begins a comment:\n"
	      "  schema FILE            backend file|postgres|nats|none\n"
	      "  device A ...           session A.1 ...\n"
	      "  offline A              offline A push (pulls on)   online A\n"
	      "  pause A.1              resume A.1\n"
	      "  commit A.1 NAME JSON   commit-fails A.1 NAME JSON (refused)\n"
	      "  batch A.1 [{\"name\":...,\"args\":{...}},...]\n"
	      "  kill A | stop A | start A (a session too)      stop backend | start backend\n"
	      "  kill A during STEP (when the step makes it write to its log)\n"
	      "  settle [NODE ...]      expect A e1 -> e2'          expect backend ends e5\n"
	      "  expect-query A.1 3 SELECT count(*) FROM todo      expect-refused A 1 [REASON]\n"
	      "  expect-same\n"
	      "A {context} in an expectation matches if each of its dotted parts is the event's\n"
	      "name, an argument's name, or the value of a text argument.\n"
	      "\n"
	      "Example: leader-scenario tests/scenarios/sequential-chain.scenario\n"
	      "Adapters are looked for as the daemon does, in LEADERD_BACKEND_PATH first.\n"
	      "Exit status: 0 all held, 1 a difference or a failure, 2 usage, 77 a server is not\n"
	      "installed.\n",
	      out);
}

enum outcome { HELD, FAILED, SKIPPED };

static enum outcome run_file(const struct scenario *setting, const char *file) {
	struct scenario scenario = *setting;
	struct error error = { 0 };
	int r = scenario_run(&scenario, file, &error);

	if (r == ERROR_SKIP)
		printf("%s: skipped: %s\n", file, error.text);
	else if (r < 0)
		fprintf(stderr, "%s:%u: %s\n", file, scenario.line, error.text);
	else
		printf("%s: held\n", file);
	fflush(stdout);
	return r == ERROR_SKIP ? SKIPPED : r < 0 ? FAILED : HELD;
}

static int run_files(struct scenario *setting, char *const *files, int n) {
	static struct server server;
	unsigned counts[3] = { 0 };

	setting->server = &server;
	for (int i = 0; i < n; i++)
		counts[run_file(setting, files[i])]++;
	server_end(&server);
	return counts[FAILED] > 0 ? 1 : counts[SKIPPED] > 0 ? EXIT_SKIPPED : 0;
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
		                                          { "backend", required_argument, NULL, 'b' },
		                                          { "servers", required_argument, NULL, 's' },
		                                          { "wait", required_argument, NULL, 'w' },
		                                          { "verbose", no_argument, NULL, 'v' },
		                                          { "help", no_argument, NULL, 'h' },
		                                          { NULL, 0, NULL, 0 } };
	static struct scenario setting;
	int option;

	become_session(argc, argv);
	setting.expect_ms = EXPECT_MS;
	setting.own = "/proc/self/exe";
	setting.leaderd = getenv("LEADERD_PROGRAM") != NULL ? getenv("LEADERD_PROGRAM") : "leaderd";
	while ((option = getopt_long(argc, argv, "l:b:s:w:vh", long_options, NULL)) != -1) {
		switch (option) {
		case 'l':
			setting.leaderd = optarg;
			break;
		case 'b':
			setting.kind = optarg;
			break;
		case 's':
			setting.scripts = optarg;
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
	return run_files(&setting, argv + optind, argc - optind);
}
