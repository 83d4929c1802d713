/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/logs/s3_xml.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMESPACE "http://s3.amazonaws.com/doc/2006-03-01/"

static xmlDoc *parse(const char *text, size_t len)
{
	if (len > INT_MAX)
		return NULL;
	return xmlReadMemory(text, (int)len, NULL, NULL,
			     XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
				     XML_PARSE_NOBLANKS);
}

/* Servers differ in whether they name the namespace, so only the name counts. */
static bool is(const xmlNode *node, const char *name)
{
	return node != NULL && node->type == XML_ELEMENT_NODE &&
	       strcmp((const char *)node->name, name) == 0;
}

static xmlNode *child(const xmlNode *parent, const char *name)
{
	xmlNode *node = parent != NULL ? parent->children : NULL;

	while (node != NULL && !is(node, name))
		node = node->next;
	return node;
}

/* Copy an element's text. Returns 0, -ENOENT or -EMSGSIZE. */
static int copy_text(const xmlNode *node, char *to, size_t size)
{
	xmlChar *text = node != NULL ? xmlNodeGetContent(node) : NULL;
	int r = -ENOENT;

	to[0] = '\0';
	if (text != NULL)
		r = snprintf(to, size, "%s", (const char *)text) < (int)size ? 0 : -EMSGSIZE;
	xmlFree(text);
	return r;
}

static bool has_text(const xmlNode *node, const char *want)
{
	xmlChar *text = node != NULL ? xmlNodeGetContent(node) : NULL;
	bool same = text != NULL && strcmp((const char *)text, want) == 0;

	xmlFree(text);
	return same;
}

/* --- answers ---------------------------------------------------------------- */

void s3_xml_error(const char *text, size_t len, char ret_code[S3_CODE_MAX],
		  char ret_message[S3_MESSAGE_MAX])
{
	xmlDoc *doc = parse(text, len);
	xmlNode *root = doc != NULL ? xmlDocGetRootElement(doc) : NULL;

	ret_code[0] = ret_message[0] = '\0';
	if (is(root, "Error")) {
		copy_text(child(root, "Code"), ret_code, S3_CODE_MAX);
		copy_text(child(root, "Message"), ret_message, S3_MESSAGE_MAX);
	}
	xmlFreeDoc(doc);
}

int s3_xml_upload_id(const char *text, size_t len, char ret_id[S3_UPLOAD_ID_MAX])
{
	xmlDoc *doc = parse(text, len);
	xmlNode *root = doc != NULL ? xmlDocGetRootElement(doc) : NULL;
	int r = -EBADMSG;

	if (is(root, "InitiateMultipartUploadResult") &&
	    copy_text(child(root, "UploadId"), ret_id, S3_UPLOAD_ID_MAX) == 0 && ret_id[0] != '\0')
		r = 0;
	xmlFreeDoc(doc);
	return r;
}

int s3_xml_find_upload(const char *text, size_t len, const char *key, char ret_id[S3_UPLOAD_ID_MAX])
{
	xmlDoc *doc = parse(text, len);
	xmlNode *root = doc != NULL ? xmlDocGetRootElement(doc) : NULL;
	int r = is(root, "ListMultipartUploadsResult") ? -ENOENT : -EBADMSG;

	for (xmlNode *node = root != NULL ? root->children : NULL; node != NULL && r == -ENOENT;
	     node = node->next) {
		if (!is(node, "Upload") || !has_text(child(node, "Key"), key))
			continue;
		r = copy_text(child(node, "UploadId"), ret_id, S3_UPLOAD_ID_MAX);
		if (r < 0 || ret_id[0] == '\0')
			r = -EBADMSG;
	}
	xmlFreeDoc(doc);
	return r;
}

int s3_xml_completed(const char *text, size_t len)
{
	xmlDoc *doc = parse(text, len);
	xmlNode *root = doc != NULL ? xmlDocGetRootElement(doc) : NULL;
	int r = is(root, "CompleteMultipartUploadResult") ? 0 : -EBADMSG;

	xmlFreeDoc(doc);
	return r;
}

/* --- requests --------------------------------------------------------------- */

/* As a string for free(), the document is freed; NULL when out of memory or @good is false. */
static char *print(xmlDoc *doc, bool good, size_t *ret_len)
{
	xmlChar *text = NULL;
	char *copy = NULL;
	int len = 0;

	if (good)
		xmlDocDumpMemoryEnc(doc, &text, &len, "UTF-8");
	if (text != NULL)
		copy = strndup((const char *)text, (size_t)len);
	xmlFree(text);
	xmlFreeDoc(doc);
	*ret_len = (size_t)len;
	return copy;
}

static xmlDoc *new_doc(const char *root_name)
{
	xmlDoc *doc = xmlNewDoc(BAD_CAST "1.0");
	xmlNode *root = doc != NULL ? xmlNewNode(NULL, BAD_CAST root_name) : NULL;

	if (root == NULL) {
		xmlFreeDoc(doc);
		return NULL;
	}
	xmlDocSetRootElement(doc, root);
	xmlSetNs(root, xmlNewNs(root, BAD_CAST NAMESPACE, NULL));
	return doc;
}

/* Append <name>text</name> in the parent's namespace; NULL when out of memory. */
static xmlNode *add(xmlNode *parent, const char *name, const char *text)
{
	return parent != NULL ? xmlNewTextChild(parent, parent->ns, BAD_CAST name, BAD_CAST text)
			      : NULL;
}

char *s3_xml_complete(const char *const *etags, unsigned int n, size_t *ret_len)
{
	xmlDoc *doc = new_doc("CompleteMultipartUpload");
	xmlNode *root = doc != NULL ? xmlDocGetRootElement(doc) : NULL;
	bool good = root != NULL;
	char number[16];

	for (unsigned int i = 0; i < n && good; i++) {
		xmlNode *part = add(root, "Part", NULL);

		snprintf(number, sizeof(number), "%u", i + 1);
		good = add(part, "PartNumber", number) != NULL &&
		       add(part, "ETag", etags[i]) != NULL;
	}
	return print(doc, good, ret_len);
}

/* --- lifecycle --------------------------------------------------------------- */

/* The next rule with an ID, from a node on. */
static xmlNode *find_rule(xmlNode *from, const char *id)
{
	for (xmlNode *node = from; node != NULL; node = node->next) {
		if (is(node, "Rule") && has_text(child(node, "ID"), id))
			return node;
	}
	return NULL;
}

static bool is_our_rule(const xmlNode *rule, const char *prefix, const char *days)
{
	return has_text(child(child(rule, "Filter"), "Prefix"), prefix) &&
	       has_text(child(rule, "Status"), "Enabled") &&
	       has_text(child(child(rule, "Expiration"), "Days"), days);
}

static bool add_rule(xmlNode *root, const char *id, const char *prefix, const char *days)
{
	xmlNode *rule = add(root, "Rule", NULL);

	return add(rule, "ID", id) != NULL &&
	       add(add(rule, "Filter", NULL), "Prefix", prefix) != NULL &&
	       add(rule, "Status", "Enabled") != NULL &&
	       add(add(rule, "Expiration", NULL), "Days", days) != NULL;
}

int s3_xml_set_rule(const char *text, size_t len, const char *rule_id, const char *prefix,
		    uint32_t days, char **ret_text, size_t *ret_len)
{
	xmlDoc *doc = text != NULL ? parse(text, len) : new_doc("LifecycleConfiguration");
	xmlNode *root = doc != NULL ? xmlDocGetRootElement(doc) : NULL, *old;
	char days_text[16];
	bool good = true;

	if (text == NULL && doc == NULL)
		return -ENOMEM;
	if (!is(root, "LifecycleConfiguration")) {
		xmlFreeDoc(doc);
		return -EBADMSG;
	}
	snprintf(days_text, sizeof(days_text), "%u", days);
	old = find_rule(root->children, rule_id);
	if (days == 0 ? old == NULL :
			old != NULL && is_our_rule(old, prefix, days_text) &&
				find_rule(old->next, rule_id) == NULL) {
		xmlFreeDoc(doc);
		return 0;
	}
	/* S3 allows an ID once; others may not */
	while ((old = find_rule(root->children, rule_id)) != NULL) {
		xmlUnlinkNode(old);
		xmlFreeNode(old);
	}
	if (days != 0)
		good = add_rule(root, rule_id, prefix, days_text);
	if (child(root, "Rule") == NULL && good) {
		xmlFreeDoc(doc);
		*ret_text = NULL;
		*ret_len = 0;
		return 1;
	}
	*ret_text = print(doc, good, ret_len);
	return *ret_text != NULL ? 1 : -ENOMEM;
}
