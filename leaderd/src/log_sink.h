#ifndef LEADERD_LOG_SINK_H
#define LEADERD_LOG_SINK_H

/*
 * The daemon's log: lines on stderr, with the journal's priorities where stderr
 * is the journal, and with the levels' names elsewhere. No colours: the log is
 * often read later, from a file.
 */

#include "base/log.h"

void log_sink_start(enum log_level up_to);

#endif
