/* Push: as the log says, or as the story does. */

#include <stdlib.h>
#include <string.h>

#include "script/script.h"

static bool is_named(const char *which, size_t place) {
	char *end;

	if (strcmp(which, "all") == 0)
		return true;
	for (const char *at = which; *at >= '0' && *at <= '9'; at = *end == ',' ? end + 1 : end)
		if (strtoul(at, &end, 10) == place)
			return true;
	return false;
}

static int refuse(const struct story_line *line, const struct adapter_push *push, struct adapter_push_answer *ret,
                  struct error *error) {
	ret->result = PUSH_REFUSED;
	ret->permanent = line->action == ACTION_REFUSE;
	ret->refused = calloc(push->n_events, sizeof(struct event_id));
	if (ret->refused == NULL)
		return error_no_memory(error);
	for (size_t i = 0; i < push->n_events; i++)
		if (is_named(line->which, i + 1))
			ret->refused[ret->n_refused++] = push->events[i]->entry.id;
	return 0;
}

static int append(struct script_log *log, const struct adapter_push *push, struct adapter_push_answer *ret,
                  struct error *error) {
	int r = 0;

	if (!log_holds(log, &push->parent, ret->reason, sizeof(ret->reason)))
		ret->result = PUSH_DIVERGED;
	else if (push->parent.global < log->n)
		ret->result = PUSH_BEHIND;
	else
		ret->result = PUSH_ACCEPTED;
	if (ret->result == PUSH_ACCEPTED)
		r = log_append(log, push->events, push->n_events, error);
	ret->head = log_point(log, log->n);
	return r;
}

static int answer(struct script_log *log, const struct story_line *line, const struct adapter_push *push,
                  struct adapter_push_answer *ret, struct error *error) {
	int r = 0;

	ret->head = log_point(log, log->n);
	strcpy(ret->reason, line->text);
	switch (line->action) {
	case ACTION_LATER:
		ret->result = PUSH_LATER;
		return 0;
	case ACTION_BEHIND:
		ret->result = PUSH_BEHIND;
		return 0;
	case ACTION_DIVERGED:
		ret->result = PUSH_DIVERGED;
		return 0;
	case ACTION_REFUSE:
	case ACTION_REFUSE_FOR_NOW:
		return refuse(line, push, ret, error);
	default:
		r = append(log, push, ret, error);
		if (line->action == ACTION_WRONG_HEAD)
			ret->head.chain_hash.bytes[0] ^= 0xff;
		return r;
	}
}

int script_push(void *data, const struct adapter_push *push, struct adapter_push_answer *ret, struct error *error) {
	struct script_backend *backend = data;
	struct adapter_push_answer result = { 0 };
	const struct story_line *line;
	int r = act_before(backend, OPERATION_PUSH, NULL, &line, error);

	if (r < 0)
		return r;
	r = answer(&backend->log, line, push, &result, error);
	act_after(backend, line);
	if (r < 0) {
		free(result.refused);
		return r;
	}
	*ret = result;
	return 0;
}
