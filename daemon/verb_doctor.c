/* SPDX-License-Identifier: MIT */
/* DOCTOR: what is misconfigured, and what mends it. */
#include "daemon/berthd.h"
#include "daemon/verb.h"

enum { FIELDS = 4 };

static void
reply_finding(struct reply *reply, const char *key, const struct finding *finding)
{
	reply_map(reply, FIELDS);
	reply_field_text(reply, "severity", severity_word(finding->severity));
	reply_field_text(reply, "key", key);
	reply_field_text(reply, "text", finding->text);
	reply_field_text(reply, "remedy", *finding->remedy ? finding->remedy : NULL);
}

void
verb_doctor_tell(struct doctor *doctor, uint64_t id)
{
	struct session *session = listener_find(&doctor->berthd->listener, id);
	struct finding finding;
	size_t count = 0;

	if (!session)
		return;
	for (int i = 0; i < DOCTOR_CHECKS; i++)
		count += doctor_judge(&doctor_checks[i], &doctor->facts, &finding);
	reply_array(&session->reply, count);
	for (int i = 0; i < DOCTOR_CHECKS; i++)
		if (doctor_judge(&doctor_checks[i], &doctor->facts, &finding))
			reply_finding(&session->reply, doctor_checks[i].key, &finding);
	session_resume(session);
}

void
verb_doctor(struct session *session, const struct request *request)
{
	session_suspend(session);
	doctor_ask(&session->berthd->doctor, session->id);
}
