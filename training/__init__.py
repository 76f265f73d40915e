"""Scripts that train what assets/ ships; nothing in the app imports them."""
