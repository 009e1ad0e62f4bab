from .data import (
    DamagedFile as DamagedFile,
)
from .data import (
    ImageData as ImageData,
)
from .data import (
    batches as batches,
)
from .data import (
    data_dir as data_dir,
)
from .data import (
    is_here as is_here,
)
from .data import (
    load_images as load_images,
)
from .evidence import (
    iwae_bound as iwae_bound,
)
from .evidence import (
    linear_vae_law as linear_vae_law,
)
from .evidence import (
    log_aggregate as log_aggregate,
)
from .evidence import (
    log_normal as log_normal,
)
from .evidence import (
    log_weights as log_weights,
)
from .latent import (
    decode_grid as decode_grid,
)
from .latent import (
    great_circle as great_circle,
)
from .latent import (
    morph as morph,
)
from .latent import (
    name_of_dimension as name_of_dimension,
)
from .latent import (
    rank_dimensions as rank_dimensions,
)
from .latent import (
    side_by_side as side_by_side,
)
from .latent import (
    straight_line as straight_line,
)
from .latent import (
    traverse as traverse,
)
from .losses import (
    bernoulli_nll as bernoulli_nll,
)
from .losses import (
    class_loss as class_loss,
)
from .losses import (
    continuous_bernoulli_mean as continuous_bernoulli_mean,
)
from .losses import (
    continuous_bernoulli_nll as continuous_bernoulli_nll,
)
from .losses import (
    continuous_bernoulli_sample as continuous_bernoulli_sample,
)
from .losses import (
    gaussian_nll as gaussian_nll,
)
from .losses import (
    kl_per_dimension as kl_per_dimension,
)
from .losses import (
    kl_standard_normal as kl_standard_normal,
)
from .losses import (
    log_partition as log_partition,
)
from .losses import (
    negative_elbo as negative_elbo,
)
from .losses import (
    squared_error as squared_error,
)
from .metrics import (
    confidence as confidence,
)
from .metrics import (
    knn_accuracy as knn_accuracy,
)
from .metrics import (
    knn_confusion as knn_confusion,
)
from .metrics import (
    looks as looks,
)
from .metrics import (
    name_digits as name_digits,
)
from .models import (
    VAE as VAE,
)
from .models import (
    Autoencoder as Autoencoder,
)
from .models import (
    VAEOutput as VAEOutput,
)
from .models import (
    decode_images as decode_images,
)
from .models import (
    encode_image as encode_image,
)
from .models import (
    encode_images as encode_images,
)
from .models import (
    is_vae as is_vae,
)
from .models import (
    mlp as mlp,
)
from .models import (
    reparameterize as reparameterize,
)
from .models import (
    start_at_mean_image as start_at_mean_image,
)
from .plotting import (
    claim as claim,
)
from .plotting import (
    plot_codes as plot_codes,
)
from .plotting import (
    print_table as print_table,
)
from .plotting import (
    show_animation as show_animation,
)
from .plotting import (
    show_figure as show_figure,
)
from .plotting import (
    show_image as show_image,
)
from .plotting import (
    show_images as show_images,
)
from .plotting import (
    show_rows as show_rows,
)
from .plotting import (
    span as span,
)
from .plotting import (
    to_png as to_png,
)
from .store.grid import (
    score_grid as score_grid,
)
from .store.grid import (
    train_grid as train_grid,
)
from .store.machine import (
    estimated_minutes as estimated_minutes,
)
from .store.machine import (
    machine_report as machine_report,
)
from .store.machine import (
    training_speed as training_speed,
)
from .store.pretrained import (
    digit_classifier as digit_classifier,
)
from .store.pretrained import (
    load_pretrained as load_pretrained,
)
from .store.train import (
    train_many as train_many,
)
from .store.train import (
    trained as trained,
)
from .store.tsne import (
    tsne_many as tsne_many,
)
from .training import (
    History as History,
)
from .training import (
    as_tensors as as_tensors,
)
from .training import (
    best_device as best_device,
)
from .training import (
    constant as constant,
)
from .training import (
    cyclical as cyclical,
)
from .training import (
    evaluate as evaluate,
)
from .training import (
    fit as fit,
)
from .training import (
    linear_warmup as linear_warmup,
)
from .training import (
    local_seed as local_seed,
)
from .training import (
    progress_bar as progress_bar,
)
from .training import (
    warmup_then_linear as warmup_then_linear,
)
