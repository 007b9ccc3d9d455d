/* SPDX-License-Identifier: MIT */
/* RFC 5802 over OpenSSL. */
#include "daemon/pg/scram.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/random.h"

enum { SALT = 16, DIGEST = SHA256_DIGEST_LENGTH, BASE64 = 48 };

static void
base64(const unsigned char *in, int len, char out[BASE64])
{
	assert(4 * ((len + 2) / 3) < BASE64);
	EVP_EncodeBlock((unsigned char *)out, in, len);
}

static void
keyed(const unsigned char key[DIGEST], const char *text, unsigned char out[DIGEST])
{
	unsigned char *made = HMAC(EVP_sha256(), key, DIGEST, (const unsigned char *)text, strlen(text), out, NULL);

	assert(made);
}

void
scram_verifier(const char *password, int iterations, char out[SCRAM_TEXT])
{
	unsigned char salt[SALT], salted[DIGEST], client[DIGEST], stored[DIGEST], server[DIGEST];
	char salt64[BASE64], stored64[BASE64], server64[BASE64];

	random_bytes(salt, sizeof salt);
	int ok = PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt, SALT, iterations, EVP_sha256(),
	                           DIGEST, salted);
	assert(ok == 1);
	keyed(salted, "Client Key", client);
	SHA256(client, DIGEST, stored);
	keyed(salted, "Server Key", server);
	base64(salt, SALT, salt64);
	base64(stored, DIGEST, stored64);
	base64(server, DIGEST, server64);
	snprintf(out, SCRAM_TEXT, "SCRAM-SHA-256$%d:%s$%s:%s", iterations, salt64, stored64, server64);
}
