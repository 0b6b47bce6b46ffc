"""The OAuth 2 provider (RFC 6749): the pages and addresses by which applications get tokens.

Authlib's grant classes are not used: they read the request through a server object with its own models of
client, code and token, and answer in the words of the RFC, while clients of this provider know other errors,
another order of parameters and a wider rule for addresses; adapting them took more code than the rules
themselves, which stand in `services/authorizing.py`. What is Authlib's are the parts under them: how
parameters are joined to an address, how a client's Basic header is read, what the errors are called.
"""
