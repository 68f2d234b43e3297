/* Included by bcc's preamble for its packet macros; nothing of it is used here. */
