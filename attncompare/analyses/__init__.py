"""Questions: a pair and a text in, a frozen result out; one question a file. Never draws."""
