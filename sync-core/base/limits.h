#ifndef LEADERD_BASE_LIMITS_H
#define LEADERD_BASE_LIMITS_H

/*
 * Every bound of leaderd, with its unit and its reason. A bound that is not
 * here does not exist: code refers to these names and to no other number.
 */

/* One table by hand, for it is read as one. */
/* clang-format off */

/* Events */
#define EVENT_ARGS_BYTES_MAX (256u * 1024u)  /* one event's arguments: NATS takes 1 MiB a message, a unit must fit */
#define EVENT_NAME_BYTES_MAX 128u            /* an event's name; names are identifiers */
#define UNIT_EVENTS_MAX 1024u                /* events in one unit; a unit is applied in one savepoint */
#define UNIT_BYTES_MAX (512u * 1024u)        /* arguments of one unit: below every adapter's message limit */
#define ORIGINS_MAX 8u                       /* positions kept of those an event held before: the oldest, the seven newest */
#define CLIENT_ID_BYTES 32u                  /* a device's identity: 16 random bytes in hexadecimal */
#define SESSION_ID_BYTES_MAX 64u             /* [A-Za-z0-9._-] */
#define SYNC_METADATA_BYTES_MAX 1024u        /* the adapter's note on a confirmed event */

/* Names */
#define STORE_NAME_BYTES_MAX 64u             /* [a-z0-9][a-z0-9._-]{0,63}: a folder name */
#define NOTATION_BYTES_MAX 1024u             /* one token of the notation, the NUL included */
#define LOG_LINE_BYTES_MAX 1024u             /* one line of the log, the NUL included; longer ones are cut */

/* Schema */
#define SCHEMA_BYTES_MAX (256u * 1024u)      /* a schema's text; it travels in one frame */
#define SCHEMA_TABLES_MAX 256u               /* tables: journal images name them in one byte pair */
#define SCHEMA_EVENTS_MAX 1024u              /* event definitions, versions counted apart */
#define SCHEMA_ARGUMENTS_MAX 64u             /* arguments of one event definition */
#define SCHEMA_STATEMENTS_MAX 64u            /* SQL statements of one materializer */
#define SCHEMA_LIFTS_MAX 32u                 /* lifts in a row from the oldest version to the newest */
#define STATEMENT_STEPS_MAX 50000000u        /* SQLite instructions of one materializer statement; about two seconds */
#define STATEMENT_STEPS_PER_CHECK 100000u    /* instructions between two looks at the budget */

/* Frames between session and leader */
#define FRAME_BYTES_MAX (1024u * 1024u)      /* one frame's payload; holds a unit and its overhead */
#define FRAME_MEMORY_BYTES_MAX (8u * 1024u * 1024u) /* what unpacking one frame may allocate */
#define PENDING_IDS_MAX 32768u               /* pending ids in one hello: 16 bytes each, half a frame */

/* Session */
#define SESSION_PENDING_EVENTS_MAX PENDING_IDS_MAX /* pending events; a hello must be able to name them all */
#define SESSION_PENDING_BYTES_MAX (64u * 1024u * 1024u) /* arguments of all pending events */
#define SESSION_QUEUE_BYTES_MAX (8u * 1024u * 1024u) /* frames that wait for the socket */
#define SESSION_PROCESS_FRAMES_MAX 64u       /* frames that one call of process handles */
#define SESSION_SUBSCRIPTIONS_MAX 256u       /* table and query subscriptions of one session */
#define SESSION_IMAGE_BYTES_MAX (1024ull * 1024ull * 1024ull) /* SQLite's own limit for a deserialized database */
#define RECONNECT_DELAY_MS_MIN 20u           /* the first pause before a session connects again */
#define RECONNECT_DELAY_MS_MAX 2000u         /* and the longest */

/* Leader */
#define GROUP_EVENTS_MAX 4096u               /* events in one group commit: bounds the time of one loop turn */
#define GROUP_BYTES_MAX (4u * 1024u * 1024u) /* and their arguments */
#define PAGE_EVENTS_MAX 256u                 /* events in one feed or follow page */
#define PAGE_BYTES_MAX (256u * 1024u)        /* arguments in one page, the last event not counted */
#define PEER_OUTPUT_BYTES_MAX (1024u * 1024u) /* bytes that wait for one peer before its feed pauses */
#define PEER_INPUT_BYTES_MAX (FRAME_BYTES_MAX + 4u) /* a peer's unread input */
#define PEERS_MAX 1024u                      /* connections of one daemon */
#define PEER_FOLLOWS_MAX 16u                 /* open event streams of one connection */
#define PEER_HANDSHAKE_MS_MAX 10000u         /* silence allowed before the first frame */
#define STORES_MAX 1024u                     /* stores of one daemon */
#define ACCEPT_PAUSE_MS 200u                 /* the listener's rest when descriptors run out; it spins otherwise */
#define DRAIN_MS_MAX 5000u                   /* SIGTERM: time to answer what was read already */
#define JOURNAL_EVENTS_MAX 100000u           /* undo journal: events above the backend head */
#define JOURNAL_BYTES_MAX (256u * 1024u * 1024u) /* and their row images */
#define REBUILD_BATCH_EVENTS 10000u          /* events replayed in one transaction of a rebuild */
#define CHECKPOINT_PAGES 4000u               /* WAL pages before a checkpoint: 16 MiB */

/* Upstream */
#define UPSTREAM_PAGE_EVENTS_MAX 512u        /* events in one pulled page */
#define STAGED_EVENTS_MAX 1000000u           /* pulled events staged before one rebase takes them */

/* clang-format on */

#endif
