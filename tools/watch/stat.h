/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mqbus stat: stat.c takes the options, stat_print.c prints a sample.
 */
#ifndef MQBUS_STAT_H
#define MQBUS_STAT_H

#include "common/format.h"
#include "sample.h"

/* As tables; @old is the sample before for the rates, or NULL. */
void stat_table(const struct sample *s, const struct sample *old);
/* As a line for each figure: kind, topic, group, name and number with tabs between. */
void stat_tsv(const struct sample *s, struct text *out);
/* As one value; with @old a total has its rate. */
json_t *stat_json(const struct sample *s, const struct sample *old);
/* As Prometheus's text. */
void stat_prometheus(const struct sample *s, struct text *out);

#endif /* MQBUS_STAT_H */
