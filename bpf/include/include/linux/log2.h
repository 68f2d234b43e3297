/* Included by bcc's preamble for its own log2 helpers; nothing of it is used here. */
