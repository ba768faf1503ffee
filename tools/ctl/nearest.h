#ifndef LEADERCTL_NEAREST_H
#define LEADERCTL_NEAREST_H

/* How many letters must be added, removed, changed or swapped with their
 * neighbour to make `b` of `a`; words of more than 40 letters are never near. */
unsigned word_distance(const char *a, const char *b);

/* Is `word` likely a misspelt `meant`? */
int word_is_near(const char *word, const char *meant);

#endif
