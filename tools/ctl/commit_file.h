#ifndef LEADERCTL_COMMIT_FILE_H
#define LEADERCTL_COMMIT_FILE_H

/* leaderctl commit --jsonl: an import. An exit status; what failed was reported. */

#include <leaderd/session.h>

#include "command.h"

int commit_file(const struct call *call, enum lds_stage stage);

#endif
