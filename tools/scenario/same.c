/*
 * expect-same: every session shows what its device has, every device verifies;
 * with a backend, all devices and the backend have the same confirmed events, by
 * their chain hash, and all devices the same synced state.
 */

#include <stdio.h>
#include <string.h>

#include "scenario.h"

struct comparison {
	struct scenario *scenario;
	struct device *device;
	struct control *control;
	struct chain expected, found;
	struct bytes dump;
};

/* ---- a device and its sessions --------------------------------------------------------- */

static int chain_holds(void *data, struct error *error) {
	struct comparison *comparison = data;
	int r = control_chain(comparison->scenario, comparison->control, &comparison->found, error);

	return r < 0 ? r : chain_matches(&comparison->expected, &comparison->found, false);
}

static int state_holds(void *data, struct error *error) {
	struct comparison *comparison = data;
	struct bytes dump = { 0 };
	int r = control_ask(comparison->control, &dump, error, "dump");

	if (r >= 0)
		r = dump.n == comparison->dump.n && memcmp(dump.data, comparison->dump.data, dump.n) == 0;
	bytes_finish(&dump);
	return r;
}

static int session_agrees(struct comparison *comparison, struct error *error) {
	const char *name = comparison->control->name;
	int r = step_wait_for(chain_holds, comparison, comparison->scenario->expect_ms, error);

	if (r == ERROR_TIMEOUT) {
		chain_print_difference(&comparison->expected, &comparison->found, false);
		return error_set(error, ERROR_CONFLICT, "session %s has another chain than its device", name);
	}
	if (r == 0)
		r = step_wait_for(state_holds, comparison, comparison->scenario->expect_ms, error);
	return r == ERROR_TIMEOUT ? error_set(error, ERROR_CONFLICT, "session %s has another state than its device", name)
	                          : r;
}

static int sessions_agree(struct scenario *scenario, struct device *device, struct error *error) {
	struct comparison comparison = { .scenario = scenario, .device = device };
	int r = device_dump(device, &comparison.dump, error);

	if (r == 0)
		r = device_chain(scenario, device, &comparison.expected, error);
	for (unsigned i = 0; i < scenario->n_sessions && r == 0; i++) {
		comparison.control = &scenario->sessions[i];
		if (&scenario->devices[comparison.control->device] == device && comparison.control->process != 0)
			r = session_agrees(&comparison, error);
	}
	bytes_finish(&comparison.dump);
	return r;
}

/* ---- the devices and the backend ---------------------------------------------------------- */

/* What the backend knows of a device's chain: neither generations nor what is not confirmed. */
static void leave_confirmed(struct chain *chain) {
	size_t n = 0;

	for (size_t i = 0; i < chain->n; i++)
		if (!chain->tokens[i].unconfirmed && chain->tokens[i].at.client == 0)
			chain->tokens[n++] = chain->tokens[i];
	chain->n = n;
	for (size_t i = 0; i < n; i++)
		chain->tokens[i].has_generation = false;
}

/* 1: the device's confirmed events are the backend's. By their hash; the chains are for people. */
static int confirmed_holds(void *data, struct error *error) {
	struct comparison *comparison = data;
	struct scenario *scenario = comparison->scenario;
	struct hash in_backend, in_device;
	struct position head = { 0 };
	int r = backend_chain(scenario, &comparison->expected, &in_backend, error);

	if (r == 0)
		r = device_confirmed(comparison->device, &head, &in_device, error);
	if (r == 0)
		r = device_chain(scenario, comparison->device, &comparison->found, error);
	if (r < 0)
		return r;
	leave_confirmed(&comparison->expected);
	leave_confirmed(&comparison->found);
	return head.global == comparison->expected.n && hash_equal(&in_backend, &in_device);
}

static int confirmed_agrees(struct comparison *comparison, struct error *error) {
	int r = step_wait_for(confirmed_holds, comparison, comparison->scenario->expect_ms, error);

	if (r != ERROR_TIMEOUT)
		return r;
	chain_print_difference(&comparison->expected, &comparison->found, false);
	return error_set(error, ERROR_CONFLICT, "device %s has other confirmed events than the backend",
	                 comparison->device->name);
}

/* The line that holds the first difference; *ret_n without its end. */
static const char *line_at(const struct bytes *text, size_t at, size_t *ret_n) {
	size_t start = at < text->n ? at : text->n;

	while (start > 0 && text->data[start - 1] != '\n')
		start--;
	*ret_n = 0;
	while (start + *ret_n < text->n && text->data[start + *ret_n] != '\n')
		++*ret_n;
	return (const char *)text->data + start;
}

static void print_states(const struct device *a, const struct bytes *of_a, const struct device *b,
                         const struct bytes *of_b) {
	size_t at = 0, n_a, n_b;

	while (at < of_a->n && at < of_b->n && of_a->data[at] == of_b->data[at])
		at++;
	const char *line_a = line_at(of_a, at, &n_a), *line_b = line_at(of_b, at, &n_b);
	fprintf(stderr, "      %s: %.*s\n      %s: %.*s\n", a->name, (int)n_a, line_a, b->name, (int)n_b, line_b);
}

static int states_agree(struct device *a, struct device *b, struct error *error) {
	struct bytes of_a = { 0 }, of_b = { 0 };
	int r = device_dump(a, &of_a, error);

	if (r == 0)
		r = device_dump(b, &of_b, error);
	if (r == 0 && (of_a.n != of_b.n || memcmp(of_a.data, of_b.data, of_a.n) != 0)) {
		print_states(a, &of_a, b, &of_b);
		r = error_set(error, ERROR_CONFLICT, "device %s has another synced state than device %s", b->name, a->name);
	}
	bytes_finish(&of_a);
	bytes_finish(&of_b);
	return r;
}

/* Without a backend nothing is confirmed, and each device stands for itself. */
static int devices_agree(struct scenario *scenario, struct error *error) {
	struct comparison comparison = { .scenario = scenario };
	int r = 0;

	if (scenario->backend.kind == BACKEND_NONE)
		return 0;
	for (unsigned i = 0; i < scenario->n_devices && r == 0; i++) {
		comparison.device = &scenario->devices[i];
		r = confirmed_agrees(&comparison, error);
	}
	for (unsigned i = 1; i < scenario->n_devices && r == 0; i++)
		r = states_agree(&scenario->devices[0], &scenario->devices[i], error);
	return r;
}

int step_expect_same(struct scenario *scenario, char *rest, struct error *error) {
	int r = devices_agree(scenario, error);

	for (unsigned i = 0; i < scenario->n_devices && r == 0; i++) {
		r = sessions_agree(scenario, &scenario->devices[i], error);
		if (r == 0)
			r = device_verify(&scenario->devices[i], error);
	}
	return r;
}
