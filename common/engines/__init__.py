"""What turns sound into tokens: the engines, and the seam through which the service uses them."""
